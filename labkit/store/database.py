"""The tables, and how a database is opened."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, MetaData, create_engine, event, inspect, text
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from labkit.errors import Busy, InvalidArgument, StorageError, UnknownName

HEAD = "0003"  # the newest of migrations/versions, so that opening a database of this schema need not import Alembic
_BUSY_S = 30
_DRIVERS: dict[str, tuple[str, dict[str, Any]]] = {  # with what each is told, in seconds, where the URL does not say
    "sqlite": ("sqlite", {"timeout": str(_BUSY_S)}),
    "postgresql": ("postgresql+psycopg", {"connect_timeout": "10", "options": f"-c lock_timeout={_BUSY_S}s"}),
}
# Wait for the lock at the beginning of what writes, not in the middle; the number stands for labkit.
_ONE_WRITER = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(119182996433268)"}
_WAITED_IN_VAIN = ("40P01", "55P03")  # PostgreSQL's deadlock_detected and lock_not_available
_LONG = BigInteger().with_variant(Integer, "sqlite")  # whose whole numbers all have 64 bits


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
    seed: Mapped[int] = mapped_column(_LONG)
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
    n_bytes: Mapped[int] = mapped_column(_LONG)
    promoted: Mapped[bool] = mapped_column(default=False)
    promoted_at: Mapped[str | None]


class ProgressRow(Table):
    """What an exercise kept: one check, hint or prediction."""

    __tablename__ = "progress"
    id: Mapped[int] = mapped_column(primary_key=True)
    exercise: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    content: Mapped[dict[str, Any]]
    created: Mapped[str]


class TokenRow(Table):
    """One token of the services: what it opens, and a digest of it."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str]
    scopes: Mapped[list[Any]]
    created: Mapped[str]
    expires: Mapped[str | None]
    revoked: Mapped[bool] = mapped_column(default=False)


class PredictionRow(Table):
    """One prediction that the services gave."""

    __tablename__ = "predictions"
    id: Mapped[int] = mapped_column(_LONG, primary_key=True)
    model: Mapped[str]
    created: Mapped[str]
    flight: Mapped[dict[str, Any]]
    probability: Mapped[float]


def open_database(url: str) -> Engine:
    """Open a database; make its tables where it is new, and bring them up to date where an older labkit made them.

    Parameters
    ----------
    url : str
        `sqlite:///` and a file's path, or `postgresql://user:password@host/database`.

    Raises
    ------
    InvalidArgument
        If the URL makes no sense, or PostgreSQL's driver is not installed.
    StorageError
        If it cannot be read or written.
    OldLayout
        If a newer labkit made it.
    Busy
        If another process has held it for too long.
    """
    try:
        parsed = make_url(re.sub("^postgres:", "postgresql:", url))
        driver, defaults = _DRIVERS[parsed.get_backend_name()]
        if "@" in (parsed.host or ""):
            raise ValueError("a part of the password is taken for the host")
        parsed = parsed.set(drivername=driver, query={**defaults, **parsed.query})
        engine = create_engine(parsed, json_serializer=to_json, pool_pre_ping=True, max_overflow=-1)
    except (ArgumentError, KeyError, ValueError):
        raise InvalidArgument(
            f"{_shown(url)!r} is no database that labkit can open; sqlite:///lab.db and postgresql://me@localhost/lab"
            " are. In a password write @ as %40, : as %3A and / as %2F."
        ) from None  # the cause may show the password
    except ImportError as fault:
        raise InvalidArgument(
            'PostgreSQL needs psycopg, which is not installed: .venv/bin/python -m pip install "psycopg[binary]"'
        ) from fault
    if engine.dialect.name == "sqlite":
        if parsed.database:
            _make_folder(Path(parsed.database).parent)
        event.listen(engine, "connect", _set_up_sqlite)
    with told_clearly(url), engine.connect() as connection:
        if _version(connection, "alembic_version") != HEAD:
            connection.rollback()
            _make_current(connection)
    return engine


def _version(connection: Connection, table: str) -> str | None:
    """Return the one value of a table that names a schema; None where there is no such table."""
    found = inspect(connection).has_table(table)
    return str(connection.scalar(text(f"SELECT * FROM {table}"))) if found else None


def _make_current(connection: Connection) -> None:
    """Make a database's tables, or bring them up to date: whole or not at all, and once, whoever opens it meanwhile."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:  # a migration rebuilds a table by dropping it, which must not take along the rows that refer to its own
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql(_ONE_WRITER[connection.dialect.name])
    # The older table may be read by who holds the lock only: a migration drops it.
    found = _version(connection, "alembic_version") or _version(connection, "labkit_schema")
    if found is None:
        Table.metadata.create_all(connection, checkfirst=False)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{HEAD}')")
    elif found != HEAD:
        from labkit.store.migrate import migrate

        migrate(connection, found)
    connection.commit()
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Yield a session whose changes are kept together when the block ends well, or not at all."""
    with told_clearly(str(engine.url)), Session(engine, expire_on_commit=False) as session, session.begin():
        session.execute(text(_ONE_WRITER[engine.dialect.name]))
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
        shown, reason = _shown(url), " ".join(str(fault.orig).split())
        if "locked" in reason or getattr(fault.orig, "sqlstate", None) in _WAITED_IN_VAIN:
            raise Busy(f"Another process has held the database {shown} for too long: end it.") from fault
        hint = "Correct its permissions, or set LABKIT_HOME to a folder of yours."
        if not shown.startswith("sqlite"):
            hint = "Start its server, make the database (createdb), or correct LABKIT_DATABASE_URL."
        elif "full" in reason:
            hint = "Free some disk, or set LABKIT_HOME to a folder on another disk."
        elif isinstance(fault, DatabaseError) and ("not a database" in reason or "malformed" in reason):
            hint = "The file is damaged: labkit clean starts anew."
        raise StorageError(f"The database {shown} cannot be used: {reason}. {hint}") from fault


def _shown(url: str) -> str:
    """Return a URL without its password and its query, which may hold one; the URL need not make sense."""
    return re.sub("((?:^|//)[^:/]*):(?!//).*@", r"\1:***@", url).partition("?")[0]


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
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
