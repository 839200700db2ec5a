"""A small client of the services, for notebooks and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from labkit.errors import Busy, InvalidArgument, LabError, UnknownName

_KINDS: dict[int, type[LabError]] = {404: UnknownName, 422: InvalidArgument, 429: Busy, 503: Busy}


class Client:
    """Ask the services for predictions, trainings and benchmarks; errors come as labkit's own.

    Parameters
    ----------
    url : str
        As `labkit serve` printed it; its token is taken from it.
    token : str, optional
        Where the address holds none.
    timeout_s : float
        For each answer, in seconds.

    Examples
    --------
    >>> Client("http://127.0.0.1:8000/?token=secret").url
    'http://127.0.0.1:8000'
    """

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 30.0) -> None:
        place = httpx.URL(url)
        token = token or place.params.get("token")
        self.url = f"{place.scheme}://{place.netloc.decode()}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return the answer to any request, read from JSON.

        Raises
        ------
        UnknownName, InvalidArgument, Busy, LabError
            As the services say; the message is theirs.
        """
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as fault:
            raise LabError(f"No services answer at {self.url}: start them by labkit serve ({fault}).") from fault
        if answer.is_error:
            problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            raise _KINDS.get(answer.status_code, LabError)(problem.get("detail") or f"status {answer.status_code}")
        return answer.json()

    def predict(self, flights: Sequence[Mapping[str, Any]], *, explain: bool = False) -> dict[str, Any]:
        """Return model, version and one prediction a flight; `GET /schema` says what a flight is."""
        return dict(self.ask("POST", "/predict", json=list(flights), params={"explain": explain}))

    def sample(self, n: int = 10, seed: int = 0) -> list[dict[str, Any]]:
        """Return real flights to predict."""
        return list(self.ask("GET", "/flights/sample", params={"n": n, "seed": seed}))

    def train(self, **training: Any) -> dict[str, Any]:
        """Ask for a training (days, recipes, engine, n_workers, by) and return its run, which waits or goes on."""
        return dict(self.ask("POST", "/train", json=training))

    def benchmark(self, notebook: str, **parameters: Any) -> dict[str, Any]:
        """Ask for the run of a notebook with its own parameters, and return the run."""
        return dict(self.ask("POST", "/benchmark", json={"notebook": notebook, "parameters": parameters}))

    def run(self, run_id: str) -> dict[str, Any]:
        """Return the record of a run."""
        return dict(self.ask("GET", f"/runs/{run_id}"))

    def follow(self, run: Mapping[str, Any], after: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the events of a training or benchmark, each its kind and its content, until it has ended."""
        kind, headers = "train" if run["kind"] == "training" else "benchmark", {"Last-Event-ID": str(after)}
        with self._http.stream("GET", f"/{kind}/{run['id']}/events", headers=headers, timeout=None) as answer:
            answer.raise_for_status()
            event = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    yield event, json.loads(value)

    def wait(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the end of a run, and return its record."""
        for _ in self.follow(run):
            pass
        return self.run(run["id"])
