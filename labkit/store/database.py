"""The tables, and how a database is opened."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, MetaData, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from labkit.errors import Busy, InvalidArgument, OldLayout, StorageError, UnknownName

SCHEMA = 1
_BUSY_S = 30


class Table(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData()
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012 (SQLAlchemy reads it so)


class RunRow(Table):
    """One run: what was asked, on what, by whom, how far it is, what came out."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    parameters: Mapped[dict[str, Any]]
    seed: Mapped[int]
    data_digest: Mapped[str]
    fingerprints: Mapped[list[Any]]
    owner: Mapped[dict[str, Any]]
    progress: Mapped[float] = mapped_column(default=0.0)
    created: Mapped[str]
    finished: Mapped[str | None]
    error: Mapped[str | None]
    results: Mapped[dict[str, Any]] = mapped_column(default=dict)


class EventRow(Table):
    """One attempt at one task of a run."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    content: Mapped[dict[str, Any]]


class CheckpointRow(Table):
    """One finished task of a run, its result an artefact."""

    __tablename__ = "checkpoints"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    artefact: Mapped[str]
    digest: Mapped[str]


class ModelRow(Table):
    """One trained ensemble, its content an artefact."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    created: Mapped[str]
    scores: Mapped[dict[str, Any]]
    artefact: Mapped[str]
    digest: Mapped[str]
    n_bytes: Mapped[int]
    promoted: Mapped[bool] = mapped_column(default=False)


def open_database(url: str) -> Engine:
    """Open a database and make its tables where it is new.

    Raises
    ------
    InvalidArgument
        If the URL makes no sense.
    StorageError
        If it cannot be read or written.
    OldLayout
        If another version of labkit made it.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, json_serializer=to_json)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as fault:
        raise InvalidArgument(f"{url!r} is no database that labkit can open ({fault}); sqlite:///lab.db is.") from fault
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            _make_folder(Path(parsed.database).parent)
        event.listen(engine, "connect", _set_up_sqlite)
    with told_clearly(url), engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("BEGIN IMMEDIATE"))  # two that open a new database at once make its tables once
        connection.execute(text("CREATE TABLE IF NOT EXISTS labkit_schema (version INTEGER NOT NULL)"))
        found = connection.execute(text("SELECT version FROM labkit_schema")).scalar()
        if found is None:
            Table.metadata.create_all(connection)
            connection.execute(text("INSERT INTO labkit_schema VALUES (:version)"), {"version": SCHEMA})
        elif found != SCHEMA:
            raise OldLayout(
                f"The database {parsed.render_as_string()} has schema {found}, this labkit needs {SCHEMA}: another"
                " version made it. Name another database, or remove this lab and all its runs: labkit clean"
            )
    return engine


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Yield a session whose changes are kept together when the block ends well, or not at all."""
    with told_clearly(str(engine.url)), Session(engine, expire_on_commit=False) as session, session.begin():
        if engine.dialect.name == "sqlite":
            session.execute(text("BEGIN IMMEDIATE"))  # wait for the lock now, not in the middle
        yield session


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session to read with."""
    with told_clearly(str(engine.url)), Session(engine) as session:
        yield session


@contextlib.contextmanager
def told_clearly(url: str) -> Iterator[None]:
    """Turn what a database says into what a person can do about it."""
    try:
        yield
    except IntegrityError as fault:
        raise UnknownName("There is no run of that id. See: labkit runs list") from fault
    except DBAPIError as fault:
        reason = str(fault.orig)
        if "locked" in reason:
            raise Busy(f"Another process has held the database {url} for over {_BUSY_S} s: end it.") from fault
        hint = "Correct its permissions, or set LABKIT_HOME to a folder of yours."
        if "full" in reason:
            hint = "Free some disk, or set LABKIT_HOME to a folder on another disk."
        elif isinstance(fault, DatabaseError) and ("not a database" in reason or "malformed" in reason):
            hint = "The file is damaged: labkit clean starts anew."
        raise StorageError(f"The database {url} cannot be used: {reason}. {hint}") from fault


def to_json(value: Any) -> str:
    """Return strict JSON: NumPy's numbers as plain ones, null for what JSON has no number for (NaN, infinities).

    Examples
    --------
    >>> to_json({"score": float("nan")})
    '{"score": null}'
    """
    text = json.dumps(value, default=_plain)
    return json.dumps(json.loads(text, parse_constant=lambda _: None))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no value for JSON: give numbers, texts, lists and mappings.")


def now() -> str:
    """Return the time in UTC, to the millisecond, as text that sorts."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StorageError(
            f"{folder} cannot be made: {fault.strerror}. Set LABKIT_HOME to a folder of yours."
        ) from fault


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    for pragma in (f"busy_timeout={_BUSY_S * 1000}", "journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
