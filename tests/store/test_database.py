from __future__ import annotations

import subprocess
import sys
import traceback

import pytest
from sqlalchemy import func, select, text

from api.app import hasty
from labkit.errors import Busy, InvalidArgument, StorageError
from labkit.store.database import RunRow, open_database, reading, writing
from labkit.store.runs import RunStore


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "nosuch://x/y",
        "",
        "mysql://me:s3cret@host/lab",
        "me:s3cret@host/lab",
        "postgresql://me:s3cret@host:port/lab",
        "postgresql://me:a@s3cret@host/lab",
        "postgres//me:a/b?s3cret@host?password=s3cret",
    ],
)
def test_url_of_no_database_is_refused_and_its_password_not_shown(url):
    with pytest.raises(InvalidArgument, match="sqlite:///") as caught:
        open_database(url)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "lab.db").write_bytes(b"x" * 4096)
    with pytest.raises(StorageError, match="damaged"):
        open_database(f"sqlite:///{tmp_path}/lab.db")


def test_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="LABKIT_HOME"):
        open_database(f"sqlite:///{tmp_path}/file/lab.db")


def test_json_is_strict_whatever_results_hold():
    import numpy as np

    from labkit.store.database import to_json

    assert to_json({"a": np.float64(0.5), "b": np.int64(2), "c": np.arange(2)}) == '{"a": 0.5, "b": 2, "c": [0, 1]}'
    assert to_json([float("nan"), float("-inf"), np.float64("nan")]) == "[null, null, null]"
    with pytest.raises(TypeError, match="object is no value for JSON"):
        to_json(object())


def test_several_processes_open_a_new_database_and_write_at_once(database_url, tmp_path):
    code = (
        "import sys; from labkit.store.runs import RunStore\n"
        "store = RunStore(sys.argv[1], sys.argv[2])\n"
        "for _ in range(10):\n"
        "    run = store.start('training', 'x', {}, 1, 'd', []); store.update(run.id, status='finished')\n"
    )
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", code, database_url, str(tmp_path)]
    writers = [subprocess.Popen(command) for _ in range(3)]
    assert [writer.wait(100) for writer in writers] == [0] * 3
    assert len(RunStore(database_url, str(tmp_path)).list(status="finished", limit=100)) == 30


def test_one_writes_at_a_time_and_who_waited_too_long_is_told(database_url):
    impatient = open_database(hasty(database_url, 1))
    with writing(open_database(database_url)), pytest.raises(Busy, match="end it"), writing(impatient):
        pass


def test_what_is_being_written_keeps_no_reader_waiting(database_url):
    writer, reader = open_database(database_url), open_database(database_url)
    with writing(writer) as session:
        session.execute(text("DELETE FROM runs"))
        with reading(reader) as other:
            assert other.scalar(select(func.count()).select_from(RunRow)) == 0


def test_two_that_wait_for_each_other_are_told(postgresql_url):
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    engine, both = open_database(postgresql_url), Barrier(2)

    def lock(first, second):
        with reading(engine) as session:
            session.execute(text(f"SELECT pg_advisory_xact_lock({first})"))
            both.wait(30)
            session.execute(text(f"SELECT pg_advisory_xact_lock({second})"))

    with ThreadPoolExecutor(2) as threads:
        faults = [waiter.exception(60) for waiter in (threads.submit(lock, 1, 2), threads.submit(lock, 2, 1))]
    assert sorted(type(fault) for fault in faults if fault) == [Busy]


def test_server_that_was_away_meanwhile_is_reached_again(postgresql_url, tmp_path):
    store, other = RunStore(postgresql_url, str(tmp_path)), open_database(postgresql_url)
    run = store.start("training", "x", {}, 1, "d", [])
    with reading(other) as session:
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
        session.execute(text(f"{ended} AND pid <> pg_backend_pid()"))
    assert store.get(run.id) == run


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("labkit:", "nobody:"), "authentication failed"),
        (("p%40ss", "wrong"), "authentication failed"),
        (("/lab_", "/other_"), "does not exist"),
        (("@/", "@127.0.0.1:9/"), "refused"),
        (("?host=", "?host=/nowhere"), "No such file"),
        (("postgresql:", "postgres:"), None),
        (("postgresql:", "postgresql+psycopg:"), None),
    ],
)
def test_postgresql_that_cannot_be_reached_is_told_without_the_password(postgresql_url, change, reason):
    url = postgresql_url.replace(*change)
    if change[1].startswith("@"):
        url = url.partition("?")[0]
    if reason is None:
        assert open_database(url).dialect.name == "postgresql"
        return
    with pytest.raises(StorageError, match=reason) as caught:
        open_database(url)
    said = str(caught.value)
    assert "createdb" in said and "labkit:***@" in said.replace("nobody", "labkit")
    assert not any(part in said for part in ("p@ss", "w/rd", "p%40ss", "wrong"))


def test_missing_driver_of_postgresql_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InvalidArgument, match=r"install \"psycopg\[binary\]\""):
        open_database("postgresql://me@localhost/lab")
