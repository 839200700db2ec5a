"""A database as one file: taken at one moment while others write, and put back whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url

from labkit.errors import Busy, InvalidArgument, InvalidData, NotEnoughDisk, StorageError
from labkit.store.database import open_database, to_json, told_clearly

_NAMED = (
    "SELECT 'models/' || id || '/' || artefact, digest FROM models"
    " UNION ALL SELECT 'runs/' || run_id || '.kept/' || artefact, digest FROM checkpoints"
)


@dataclasses.dataclass(frozen=True)
class Content:
    """What a database holds: the digest of each table's rows, and that of each artefact that a row names."""

    rows: dict[str, str]
    named: dict[str, str]


def kind_of(url: str) -> str:
    """Return "sqlite" or "postgresql"."""
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def dump(url: str, target: Path) -> Content:
    """Write a database as it is at this moment into a file, and return what it holds.

    Nobody has to wait: SQLite's own online copy, or `pg_dump` within the transaction that also reads the digests.
    """
    engine = open_database(url)
    if kind_of(url) == "sqlite":
        engine.dispose()
        with _sqlite(_path(url)) as source, _sqlite(target) as copy, _told(target):
            source.backup(copy)  # in one piece: in several, each write of another process would begin it anew
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        return sqlite_content(target)
    with told_clearly(url), engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        _run("pg_dump", url, "--format=custom", f"--snapshot={snapshot}", f"--file={target}")
        found = _content(connection)
    engine.dispose()
    return found


def undump(source: Path, url: str) -> None:
    """Put a dump in the place of what a database holds, whole or not at all."""
    if kind_of(url) == "sqlite":
        path = _path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_whole(path):  # what is no database any more cannot be written into: it is kept beside the new one
            for part in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{path}{part}", f"{path}.damaged{part}")
        # Into the file, not over it: who has it open sees the old rows, then the new ones; a killed copy is undone.
        with _sqlite(source) as copy, _sqlite(path) as target, _told(path):
            target.execute("PRAGMA journal_mode=WAL")
            copy.backup(target)
        return
    _run(
        "pg_restore", url, "--clean", "--if-exists", "--single-transaction", "--exit-on-error", str(source),
        options="-c lock_timeout=30s",
    )  # fmt: skip


def content_of(url: str) -> Content:
    """Return what a database holds, which is not brought up to date for that."""
    if kind_of(url) == "sqlite":
        return sqlite_content(_path(url))
    engine = create_engine(_located(url).set(drivername="postgresql+psycopg"))
    with told_clearly(url), engine.connect() as connection:
        found = _content(connection)
    engine.dispose()
    return found


def check_empty(url: str) -> None:
    """Make sure that a database of PostgreSQL holds nothing, for a restore would remove it.

    Raises
    ------
    InvalidArgument
        If it holds a table.
    """
    engine = create_engine(_located(url).set(drivername="postgresql+psycopg"))
    with told_clearly(url), engine.connect() as connection:
        held = inspect(connection).get_table_names()
    engine.dispose()
    if held:
        raise InvalidArgument(
            f"The database to restore into elsewhere is not empty (it holds {held[0]}): name another."
        )


def read_through(source: Path) -> None:
    """Make sure that a dump of PostgreSQL can be read to its end."""
    _run("pg_restore", None, "--file=/dev/null", str(source))


def sqlite_content(path: Path) -> Content:
    """Return what an SQLite file holds that is sound.

    Raises
    ------
    InvalidData
        If it is not.
    """
    try:
        engine = create_engine(URL.create("sqlite", database=str(path)))
        with engine.connect() as connection:
            said = connection.scalar(text("PRAGMA integrity_check"))
            found = _content(connection)
        engine.dispose()
    except Exception as fault:
        raise InvalidData(f"{path.name} is no sound database: {fault}") from fault
    if said != "ok":
        raise InvalidData(f"{path.name} is no sound database: {said}")
    return found


def _content(connection: Connection) -> Content:
    found = {}
    for table in sorted(inspect(connection).get_table_names()):
        keys = inspect(connection).get_pk_constraint(table)["constrained_columns"]
        order = ", ".join(f'"{key}"' for key in keys) or "1"
        digest = hashlib.sha256()
        query = text(f'SELECT * FROM "{table}" ORDER BY {order}').execution_options(yield_per=1000)
        for row in connection.execute(query):
            digest.update(to_json([_plain(value) for value in row]).encode() + b"\n")
        found[table] = digest.hexdigest()
    return Content(found, {str(row[0]): str(row[1]) for row in connection.execute(text(_NAMED))})


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _path(url: str) -> Path:
    return Path(make_url(url).database or "")


def _located(url: str) -> URL:
    return make_url(url.replace("postgres:", "postgresql:", 1)).set(drivername="postgresql")


def _is_whole(path: Path) -> bool:
    try:
        with _sqlite(path) as connection:
            return bool(connection.execute("PRAGMA schema_version").fetchone())
    except sqlite3.DatabaseError as fault:
        if "locked" in str(fault):
            raise Busy(f"Another process has held the database {path} for too long: end it.") from fault
        return False


@contextlib.contextmanager
def _sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=30.0)) as connection:
        yield connection


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as fault:
        if "full" in str(fault):
            raise NotEnoughDisk(f"{path.parent} is full: free some space there.") from fault
        if "locked" in str(fault):
            raise Busy(f"Another process has held the database {path} for too long: end it.") from fault
        raise StorageError(f"The database {path} cannot be copied: {fault}.") from fault


def _run(tool: str, url: str | None, *arguments: str, options: str = "") -> None:
    """Run one of PostgreSQL's own tools; the password goes by the environment, which others cannot read."""
    if shutil.which(tool) is None:
        raise StorageError(f"{tool} is not installed, which backs up PostgreSQL: apt-get install postgresql-client")
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10", "PGOPTIONS": options}
    command = [tool, "--no-password", "--no-owner", "--no-privileges", *arguments]
    if url is not None:
        located = _located(url)
        environment["PGPASSWORD"] = str(located.password or environment.get("PGPASSWORD", ""))
        command.append(f"--dbname={located.set(password=None).render_as_string(hide_password=False)}")
    else:
        command.remove("--no-password")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return
    said = " ".join(done.stderr.split())[-400:]
    if "lock timeout" in said or "lock_timeout" in said:
        raise Busy(f"Somebody else works in the database: end the services, then try again. {tool} said: {said}")
    if "No space left" in said:
        raise NotEnoughDisk(f"The disk is full: free some space. {tool} said: {said}")
    if url is None:
        raise InvalidData(f"The dump cannot be read: {said}")
    raise StorageError(f"{tool} failed with status {done.returncode}: {said}")
