"""Databases of older schemas brought up to date by Alembic; imported only where there is one."""

from __future__ import annotations

import sqlite3
from typing import cast

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from labkit.errors import OldLayout
from labkit.files.whole import write_whole
from labkit.store.database import HEAD

SCRIPTS = "labkit.store:migrations"


def migrate(connection: Connection, found: str) -> None:
    """Bring a database up to date within the transaction that is open; a copy of an SQLite file is kept beside it.

    Parameters
    ----------
    connection : Connection
        It holds the lock of the one that writes.
    found : str
        The schema that the database has.

    Raises
    ------
    OldLayout
        If no migration begins at that schema.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", SCRIPTS)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    url = connection.engine.url
    if found not in {"1", *known}:
        raise OldLayout(
            f"The database {url.set(query={})} has schema {found}, which this labkit, of schema {HEAD}, does not know:"
            " a newer one made it. Update this clone (git pull, then make lab), name another database by"
            " LABKIT_DATABASE_URL, or remove this lab and all its runs: labkit clean"
        )
    if url.get_backend_name() == "sqlite":
        file = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        write_whole(f"{url.database}.schema-{found}", file.serialize(), mode=0o600)
    command.upgrade(config, "head")
