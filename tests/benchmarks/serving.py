"""The services under load, one row a request, 16 connections: `make bench-serving`.

Server on one core, load by wrk on another, in one run: an empty FastAPI echo, labkit's services with tokens, metrics,
limits and audit on, FastAPI with scikit-learn called for each request, and BentoML with batching, which is installed
into an environment of its own beside the lab. Ratios to the echo of the same run are what counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import uvloop

import labkit
from api.rows import EXAMPLE
from api.tokens import TokenStore
from labkit import host
from labkit.cli.show import console
from labkit.lab import Lab, start
from labkit.parallel.head import start_head, stop_head
from labkit.parallel.pinning import ONE_THREAD
from labkit.parallel.service import answers, end_service, free_port, start_service
from labkit.store.database import open_database

CONNECTIONS, SECONDS = 16, 8
SERVER_CORE, LOAD_CORE = "0", "1"
ROW = json.dumps([EXAMPLE])

ECHO = """
from fastapi import FastAPI, Request, Response
app = FastAPI()

@app.post("/predict")
async def predict(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")
"""
PLAIN = """
import os
import polars as pl
from fastapi import FastAPI
import labkit
from labkit.data.flights import clean
ensemble, encoder = labkit.start(home=os.environ["LABKIT_HOME"]).models.load()
app = FastAPI()

@app.post("/predict")
async def predict(flights: list[dict]) -> dict:
    rows = pl.DataFrame([{"flight": 1, "distance": 1400.0, **flight} for flight in flights])
    return {"probability": ensemble.predict_proba(encoder.transform(clean(rows, only_known=True)).X).tolist()}
"""
BENTO = """
import os
import bentoml
import numpy as np
import skops.io

@bentoml.service(workers=1)
class Flights:
    def __init__(self) -> None:
        file = os.environ["MODELS"]
        self.models = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))

    @bentoml.api(batchable=True, route="/predict", max_batch_size=64, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return sum(model.predict_proba(rows)[:, 1] for model in self.models)
"""


@contextlib.contextmanager
def serving(command: Sequence[str], port: int, folder: Path, **environment: str) -> Iterator[psutil.Process]:
    process = start_service(
        ["taskset", "-c", SERVER_CORE, *command], log=folder / f"{port}.log", ready=lambda: answers("127.0.0.1", port),
        timeout_s=120.0, name=command[0], cwd=folder, environment={**ONE_THREAD, **environment}, with_parent=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        end_service(process)


def load(port: int, folder: Path, body: str, token: str = "") -> tuple[float, float]:
    """Return requests a second and the 99th percentile of their times in ms, as wrk has them."""
    script = folder / "post.lua"
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    script.write_text("\n".join(['wrk.method = "POST"', f"wrk.body = {json.dumps(body)}", *lines]))
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "30s", "--latency", "-s", str(script)]
    command = ["taskset", "-c", LOAD_CORE, *wrk]
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/predict"], capture_output=True, text=True, check=True
    ).stdout
    if wrong := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", said):
        raise labkit.LabError(f"{wrong.group(0)}\n{said}")
    per_s = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))  # type: ignore[union-attr]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return per_s, float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def p99_at_rate(*asked: Any) -> float:
    """Return what `at_rate` does, on the core of the load."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    try:
        return uvloop.run(at_rate(*asked))
    finally:
        os.sched_setaffinity(0, cores)


async def at_rate(port: int, per_s: float, body: str, token: str, seconds: float = 5.0) -> float:
    """Return the 99th percentile, in ms, of requests that come at a rate, whatever the answers take."""
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n"
    head += f"Authorization: Bearer {token}\r\n" if token else ""
    request, times = f"{head}\r\n{body}".encode(), []

    async def one(place: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        begun, period = time.perf_counter() + place / per_s, CONNECTIONS / per_s
        for turn in range(int(seconds / period)):
            due = begun + turn * period
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer.lower()).group(1)))  # type: ignore[union-attr]
            times.append(1e3 * (time.perf_counter() - due))
        writer.close()

    await asyncio.gather(*(one(place) for place in range(CONNECTIONS)))
    return statistics.quantiles(times[len(times) // 10 :], n=100)[-1]


def timed_ms(ask: Request) -> float:
    begun = time.perf_counter()
    urlopen(ask).read()
    return 1e3 * (time.perf_counter() - begun)


def rows_per_s(port: int, token: str, rows: int, lab: Lab, repeats: int = 12) -> tuple[float, float]:
    """Return rows a second of large requests, and of the bare model on the same core."""
    request = Request(f"http://127.0.0.1:{port}/flights/sample?n={rows}", headers={"Authorization": f"Bearer {token}"})
    body = urlopen(request).read()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask() -> float:
        begun = time.perf_counter()
        urlopen(Request(f"http://127.0.0.1:{port}/predict", body, headers)).read()
        return time.perf_counter() - begun

    served = [ask() for _ in range(repeats)][1:]
    program = (
        "import sys, time, statistics, labkit\n"
        "from labkit.data.flights import clean, load_flights\n"
        "ensemble, encoder = labkit.start(home=sys.argv[1]).models.load()\n"
        "X = encoder.transform(clean(load_flights(60).sample(int(sys.argv[2]), seed=0))).X\n"
        "def one():\n    begun = time.perf_counter(); ensemble.predict_proba(X); return time.perf_counter() - begun\n"
        "print(statistics.median([one() for _ in range(12)][1:]))"
    )
    bare = subprocess.check_output(
        ["taskset", "-c", SERVER_CORE, sys.executable, "-c", program, str(lab.settings.home), str(rows)],
        env={**os.environ, **ONE_THREAD},
    )
    return rows / statistics.median(served), rows / float(bare)


def bento(lab: Lab, folder: Path) -> list[str] | None:
    """Return the command that serves the same members by BentoML; None where it cannot be installed."""
    python = lab.folder.root / "bentoml" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        packages = ["bentoml", "skops", "scikit-learn==1.9.1"]
        done = subprocess.run([sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, *packages])
        if done.returncode:
            shutil.rmtree(python.parents[1])
            return None
    import skops.io

    skops.io.dump(list(lab.models.load()[0].models), folder / "models.skops")
    (folder / "bento.py").write_text(BENTO)
    return [str(python.parent / "bentoml"), "serve", "bento:Flights", "--port"]


def keep(lab: Lab, rounds: int, served: dict[str, dict[str, float]]) -> str:
    """Keep what was measured as a run, which the technical report shows; return its id."""
    asked = {"rounds": rounds, "seconds": SECONDS, "model": lab.models.get().id}
    run = lab.runs.start("serving", "one-row-requests", asked, 0, "", [host.fingerprint()])
    results = {"served": served, "connections": CONNECTIONS}
    lab.runs.update(run.id, status="finished", progress=1.0, results=results)
    console.print(f"Run {run.id}", highlight=False)
    return run.id


def main(rounds: int) -> None:
    if not shutil.which("wrk"):
        sys.exit("The load is made by wrk: apt-get install wrk")
    lab = start()
    try:
        lab.models.get()
    except labkit.errors.UnknownName:
        sys.exit("What is measured is the model that is promoted: labkit train")
    start_head(lab.folder, port=0, with_parent=True)
    token = TokenStore(open_database(lab.folder.database_url)).make("bench-serving", days=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in (("echo.py", ECHO), ("plain.py", PLAIN)):
            (folder / file).write_text(text)
        uvicorn = [sys.executable, "-m", "uvicorn", "--log-level", "error", "--loop", "uvloop", "--http", "httptools"]
        home, features = {"LABKIT_HOME": str(lab.settings.home)}, json.dumps({"rows": [[1.0] * 24]})
        labkit_ = [str(Path(sys.executable).with_name("labkit")), "serve", "--port"]
        subjects = {
            "echo": ([*uvicorn, "echo:app", "--port"], ROW, ""),
            "labkit": (labkit_, ROW, token),
            "FastAPI + scikit-learn": ([*uvicorn, "plain:app", "--port"], ROW, ""),
        }
        peer = bento(lab, folder)
        if peer is not None:
            subjects["BentoML, batching"] = (peer, features, "")
        found: dict[str, list[tuple[float, float]]] = {subject: [] for subject in subjects}
        try:
            for _ in range(rounds):
                for subject, (command, body, key) in subjects.items():
                    port = free_port()
                    with serving([*command, str(port)], port, folder, MODELS=str(folder / "models.skops"), **home):
                        time.sleep(3.0)
                        found[subject].append(load(port, folder, body, key))
            half = statistics.median(per_s for per_s, _ in found["labkit"]) / 2
            at_half: dict[str, list[float]] = {"echo": [], "labkit": []}
            for turn, subject in itertools.product(range(rounds), at_half):
                command, body, key = subjects[subject]
                port = free_port()
                with serving([*command, str(port)], port, folder, **home) as process:
                    time.sleep(3.0)
                    load(port, folder, body, key)
                    at_half[subject].append(p99_at_rate(port, half, body, key))
                    if (turn, subject) == (0, "labkit"):
                        large = rows_per_s(port, token, 1000, lab)
                        memory = psutil.Process(process.pid).memory_full_info().uss
                        ask = Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
                        metrics_ms = statistics.median(timed_ms(ask) for _ in range(11))
        finally:
            stop_head(lab.folder)
    echo = statistics.median(per_s for per_s, _ in found["echo"])
    served: dict[str, dict[str, float]] = {}
    for subject, each in found.items():
        per_s = statistics.median(one for one, _ in each)
        late = statistics.median(ms for _, ms in each)
        served[subject] = {"requests_per_s": per_s, "p99_ms": late, "of_echo": per_s / echo}
        console.print(
            f"{subject}: {per_s:,.0f} req/s, p99 {late:.1f} ms, {per_s / echo:.2f} of the echo", highlight=False
        )
    p99_ms = {subject: statistics.median(each) for subject, each in at_half.items()}
    console.print(
        f"at {half:,.0f} req/s: p99 {p99_ms['labkit']:.2f} ms, echo {p99_ms['echo']:.2f} ms, ratio"
        f" {p99_ms['labkit'] / p99_ms['echo']:.2f} (all rounds, in ms: {at_half})", highlight=False,
    )  # fmt: skip
    console.print(f"1,000 rows a request: {large[0]:,.0f} rows/s, bare model {large[1]:,.0f}", highlight=False)
    console.print(f"/metrics {metrics_ms:.1f} ms; the server's own memory {memory / 2**20:,.0f} MiB", highlight=False)
    keep(lab, rounds, served)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
