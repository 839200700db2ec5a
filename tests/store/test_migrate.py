"""Databases that an older labkit made: each schema that was released is kept as a dump with rows, and brought up."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, select, text
from sqlalchemy.engine import make_url

from labkit.errors import OldLayout
from labkit.store import database, migrate
from labkit.store.database import HEAD, Table, open_database
from labkit.store.runs import RunStore

DUMPS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
SCHEMA_1 = Path(__file__).parent / "schemas" / "1.sql"
MIGRATIONS = Path(migrate.__file__).parent / "migrations"


def make_old(url: str, dump: Path = SCHEMA_1) -> None:
    """Make the database that a dump holds, by no code of labkit's."""
    script = dump.read_text()
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(make_url(url).database)) as connection:
            connection.executescript(script)
    else:
        import psycopg

        with psycopg.connect(url) as connection:
            script = script.replace("id INTEGER", "id SERIAL").replace("DOUBLE", "DOUBLE PRECISION")
            if dump != SCHEMA_1:  # from 0001 on what may be large has 64 bits there
                script = script.replace("seed INTEGER", "seed BIGINT").replace("n_bytes INTEGER", "n_bytes BIGINT")
            connection.execute(script)


def rows_of(url: str) -> dict[str, list[dict[str, object]]]:
    """Return all rows of all tables, by no code of labkit's."""
    engine, tables = create_engine(url), MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        found = {name: list(map(dict, connection.execute(select(at)).mappings())) for name, at in tables.tables.items()}
    engine.dispose()
    return found


def differences(url: str) -> list[object]:
    """Return how a database differs from the tables that labkit's code names."""
    with open_database(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, Table.metadata))


def test_head_is_the_newest_revision_and_all_before_it_are_kept_as_dumps():
    config = Config()
    config.set_main_option("script_location", migrate.SCRIPTS)
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    before = {script.revision for script in scripts.walk_revisions()} - {HEAD}
    assert {dump.stem for dump in DUMPS} == {"1", *before}


def test_new_database_has_the_tables_of_the_code_and_its_revision(database_url):
    assert differences(database_url) == []
    assert rows_of(database_url)["alembic_version"] == [{"version_num": HEAD}]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_older_database_gets_the_tables_of_the_code_and_keeps_its_rows(database_url, tmp_path, dump):
    make_old(database_url, dump)
    before = rows_of(database_url)
    assert differences(database_url) == []
    after = rows_of(database_url)
    assert after.pop("alembic_version") == [{"version_num": HEAD}] and "labkit_schema" not in after
    assert after.keys() >= before.keys() - {"alembic_version", "labkit_schema"}
    for name, rows in ((name, rows) for name, rows in after.items() if name in before):
        kept = before[name][0].keys() & rows[0].keys()
        assert [[row[column] for column in kept] for row in rows] == [
            [row[column] for column in kept] for row in before[name]
        ]
    store = RunStore(database_url, str(tmp_path / "runs"))
    run = store.get("20261125-141630-9324")
    store.add_events(run.id, [{"task": "later"}])
    assert [event["task"] for event in store.events(run.id)] == ["hgb-small#1/1", "año", "later"]
    if database_url.startswith("sqlite"):
        assert rows_of(f"{database_url}.schema-{dump.stem}") == before


def test_two_processes_that_open_an_older_database_migrate_it_once(database_url):
    make_old(database_url)
    code = "import sys; from labkit.store.database import open_database; open_database(sys.argv[1])"
    openers = [subprocess.Popen([sys.executable, "-c", code, database_url]) for _ in range(2)]
    assert [opener.wait(100) for opener in openers] == [0] * 2
    assert rows_of(database_url)["alembic_version"] == [{"version_num": HEAD}]


@pytest.mark.parametrize("change", ["UPDATE labkit_schema SET version = 99", "DELETE FROM labkit_schema"])
def test_unknown_schema_is_refused_and_left_as_it_is(database_url, change):
    make_old(database_url)
    with create_engine(database_url).begin() as connection:
        connection.execute(text(change))
    before = rows_of(database_url)
    with pytest.raises(OldLayout, match=r"newer one made it.*make lab.*labkit clean"):
        open_database(database_url)
    assert rows_of(database_url) == before


def test_newer_revision_is_refused_without_the_password(database_url):
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OldLayout, match=f"9999.*{HEAD}") as caught:
        open_database(database_url)
    assert "w/rd" not in str(caught.value) and "w%2Frd" not in str(caught.value)


def test_current_and_new_databases_are_opened_without_alembic(tmp_path):
    code = (
        "import sys; from labkit.store.database import open_database\n"
        "for _ in range(2): open_database(sys.argv[1]).dispose()\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, f"sqlite:///{tmp_path}/lab.db"], check=True)


END = """
import os, signal, sys
from sqlalchemy import Engine, event
from labkit.store.database import open_database

@event.listens_for(Engine, "after_cursor_execute")
def end(connection, cursor, statement, *_):
    if sys.argv[2] in statement:
        os.kill(os.getpid(), signal.SIGKILL)

open_database(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("database_url", "after"),
    [
        ("sqlite", "DROP TABLE labkit_schema"),
        ("sqlite", "INSERT INTO alembic_version"),
        ("postgresql", "INSERT INTO alembic_version"),
    ],
    indirect=["database_url"],
)
def test_kill_in_the_middle_of_a_migration_leaves_the_older_database(database_url, after):
    make_old(database_url)
    before = rows_of(database_url)
    ended = subprocess.run([sys.executable, "-c", END, database_url, after], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert rows_of(database_url) == before
    assert differences(database_url) == []
    assert rows_of(database_url)["runs"] == before["runs"]


REBUILD = """
from alembic import op

revision, down_revision = "next", "{head}"

def upgrade():
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("name", new_column_name="title")
"""


def test_migration_that_rebuilds_a_table_keeps_the_rows_that_refer_to_it(database_url, tmp_path, monkeypatch):
    make_old(database_url)
    open_database(database_url)
    before = rows_of(database_url)
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "next.py").write_text(REBUILD.format(head=HEAD))
    monkeypatch.setattr(migrate, "SCRIPTS", str(tmp_path / "migrations"))
    monkeypatch.setattr(database, "HEAD", "next")
    engine = open_database(database_url)
    after = rows_of(database_url)
    assert [row["title"] for row in after["runs"]] == [row["name"] for row in before["runs"]]
    assert {name: after[name] for name in ("events", "models")} == {name: before[name] for name in ("events", "models")}
    if database_url.startswith("sqlite"):
        assert rows_of(f"{database_url}.schema-{HEAD}") == before
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
