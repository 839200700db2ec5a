"""Runs: everything that a person sees is drawn from these records."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import platform
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psutil
from sqlalchemy import select

from labkit.errors import InvalidArgument, InvalidData, UnknownName
from labkit.host import is_alive
from labkit.store.artefacts import Artefacts, digest_of
from labkit.store.database import CheckpointRow, EventRow, RunRow, now, open_database, reading, writing

STATUSES = ("waiting", "running", "finished", "failed", "interrupted")
ENDED = STATUSES[2:]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run, as it stands in the database.

    `status` is "waiting", "running", "finished", "failed" or "interrupted"; times are UTC; `progress` is 0–1.
    """

    id: str
    kind: str
    name: str
    status: str
    parameters: dict[str, Any]
    seed: int
    data_digest: str
    fingerprints: list[Any]
    owner: dict[str, Any]
    progress: float
    created: str
    finished: str | None
    error: str | None
    results: dict[str, Any]


class RunStore:
    """All runs of a lab.

    Parameters
    ----------
    url : str
        The database.
    artefacts : str
        Where files go: a folder, or an fsspec URL.
    """

    def __init__(self, url: str, artefacts: str) -> None:
        self._engine, self._artefacts = open_database(url), Artefacts(artefacts)

    def start(
        self,
        kind: str,
        name: str,
        parameters: Mapping[str, Any],
        seed: int,
        data_digest: str,
        fingerprints: Sequence[Mapping[str, Any]],
        status: str = "running",
    ) -> Run:
        """Begin a run that belongs to this process, or one that waits for the process that will carry it out."""
        row = RunRow(
            kind=kind, name=name, status=status,
            parameters=dict(parameters), seed=seed, data_digest=data_digest,
            fingerprints=[dict(found) for found in fingerprints],
            owner=_me(), created=now(), progress=0.0, results={},
        )  # fmt: skip
        with writing(self._engine) as session:
            row.id = _new_id()
            while session.get(RunRow, row.id) is not None:  # four digits are few where many runs begin in one second
                row.id = _new_id()
            session.add(row)
        return self.get(row.id)  # as it was kept: strict JSON, not the caller's own objects

    def update(self, run_id: str, **changes: Any) -> None:
        """Change some of a run: `progress`, `status`, `results`, `error`, `parameters`, `data_digest`, `fingerprints`.

        Raises
        ------
        InvalidArgument
            If there is no such status.
        UnknownName
            If there is no such run.
        """
        if changes.get("status", "running") not in STATUSES:
            raise InvalidArgument(f"A run is {', '.join(STATUSES)}, not {changes['status']!r}.")
        with writing(self._engine) as session:
            row = session.get(RunRow, run_id)
            if row is None:
                raise UnknownName(f"There is no run {run_id!r}. See: labkit runs list")
            for name, value in changes.items():
                setattr(row, name, value)
            if changes.get("status") in ENDED:
                row.finished = now()
            elif changes.get("status") == "running":
                row.finished, row.error, row.owner = None, None, _me()

    @contextlib.contextmanager
    def ended_by_errors(self, run_id: str) -> Iterator[None]:
        """Mark a run as failed, or as interrupted, where an error leaves the block that does its work."""
        try:
            yield
        except BaseException as fault:
            if self.get(run_id).status not in ENDED:
                name = type(fault).__name__.replace("KeyboardInterrupt", "ended by Ctrl-C, or cancelled")
                status = "failed" if isinstance(fault, Exception) else "interrupted"
                self.update(run_id, status=status, error=str(fault) or name)
            raise

    def get(self, run_id: str) -> Run:
        """Return a run by its id, or the beginning of it.

        Raises
        ------
        UnknownName
            If there is none, or more than one begins so.
        """
        with reading(self._engine) as session:
            row = session.get(RunRow, run_id)
            if row is None:
                begins = RunRow.id.startswith(run_id, autoescape=True)
                found = session.scalars(select(RunRow).where(begins).limit(2)).all()
                if len(found) != 1 or not run_id:
                    many = "More than one run begins" if found else "No run begins"
                    raise UnknownName(f"{many} with {run_id!r}. See: labkit runs list")
                row = found[0]
            return _run(row)

    def list(self, kind: str | None = None, status: str | None = None, limit: int = 20) -> list[Run]:
        """Return runs, the newest first."""
        query = select(RunRow).order_by(RunRow.created.desc(), RunRow.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(RunRow.kind == kind)
        if status is not None:
            query = query.where(RunRow.status == status)
        with reading(self._engine) as session:
            return [_run(row) for row in session.scalars(query)]

    def reconcile(self) -> None:
        """Mark runs as interrupted whose process is gone; each host marks its own in a database that several share."""
        shared = self._engine.dialect.name != "sqlite"
        for run in self.list(status="running", limit=1000):
            if shared and run.owner.get("host") != _me()["host"]:
                continue
            if not is_alive(run.owner.get("pid", -1), run.owner.get("created")):
                self.update(run.id, status="interrupted", error="its process ended before it did")

    def add_events(self, run_id: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Keep task events of a run."""
        with writing(self._engine) as session:
            session.add_all(EventRow(run_id=run_id, content=dict(event)) for event in events)

    def events(self, run_id: str, after: int = 0) -> Sequence[dict[str, Any]]:
        """Return a run's task events in the order they were kept, without the first `after` of them."""
        with reading(self._engine) as session:
            query = select(EventRow).where(EventRow.run_id == self.get(run_id).id).order_by(EventRow.id).offset(after)
            return [row.content for row in session.scalars(query)]

    def export(self, run_id: str, *, events: bool = True) -> dict[str, Any]:
        """Return a run's whole record, ready for JSON."""
        run = self.get(run_id)
        record = dataclasses.asdict(run) | {"artefacts": self.artefacts(run.id)}
        return record | {"events": self.events(run.id)} if events else record

    def save_artefact(self, run_id: str, name: str, content: bytes) -> None:
        """Keep a file of a run."""
        self._artefacts.write(self.get(run_id).id, name, content)

    def read_artefact(self, run_id: str, name: str) -> bytes:
        """Return a file of a run."""
        return self._artefacts.read(self.get(run_id).id, name)

    def artefacts(self, run_id: str) -> Sequence[str]:
        """Return the names of a run's files."""
        return self._artefacts.list(self.get(run_id).id)

    def checkpoint(self, run_id: str) -> RunCheckpoint:
        """Return where a run keeps what it has finished."""
        return RunCheckpoint(self, self.get(run_id).id)


class RunCheckpoint:
    """Finished results of a run, as bytes: first the file, then the row that names it, so that none is half there."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self._engine, self._artefacts = store._engine, store._artefacts
        self._owner, self._run_id = f"{run_id}.kept", run_id

    def load(self, key: str) -> bytes | None:
        """Return a finished result; None where there is none, or no longer whole."""
        with reading(self._engine) as session:
            row = session.get(CheckpointRow, (self._run_id, key))
        try:
            return None if row is None else self._artefacts.read(self._owner, row.artefact, row.digest)
        except (InvalidData, UnknownName):
            return None

    def save(self, key: str, content: bytes) -> None:
        """Keep a finished result."""
        # Named by what is in it: no two keys share a file, and replacing one never touches what its row still names.
        name = digest_of(content)
        digest = self._artefacts.write(self._owner, name, content)
        with writing(self._engine) as session:
            session.merge(CheckpointRow(run_id=self._run_id, key=key, artefact=name, digest=digest))


def _me() -> dict[str, Any]:
    """Return what tells this process from any other, of this host and of those that share a database with it."""
    name = hashlib.sha256(platform.node().encode()).hexdigest()  # others may see a record: not the name itself
    return {"pid": os.getpid(), "created": psutil.Process().create_time(), "host": name[:12]}


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _run(row: RunRow) -> Run:
    return Run(**{field.name: getattr(row, field.name) for field in dataclasses.fields(Run)})
