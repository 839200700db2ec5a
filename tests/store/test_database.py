from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from labkit.errors import InvalidArgument, OldLayout, StorageError
from labkit.store.database import open_database
from labkit.store.runs import RunStore


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x/y", ""])
def test_url_of_no_database_is_refused(url):
    with pytest.raises(InvalidArgument, match="sqlite:///"):
        open_database(url)


def test_database_of_another_version_is_refused_and_the_way_out_is_said(tmp_path):
    open_database(f"sqlite:///{tmp_path}/lab.db").dispose()
    with sqlite3.connect(tmp_path / "lab.db") as connection:
        connection.execute("UPDATE labkit_schema SET version = 99")
    connection.close()
    with pytest.raises(OldLayout, match="labkit clean"):
        open_database(f"sqlite:///{tmp_path}/lab.db")


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


def test_several_processes_open_a_new_database_and_write_at_once(tmp_path):
    code = (
        "import sys; from labkit.store.runs import RunStore\n"
        "store = RunStore(sys.argv[1], sys.argv[2])\n"
        "for _ in range(10):\n"
        "    run = store.start('training', 'x', {}, 1, 'd', []); store.update(run.id, status='finished')\n"
    )
    url = f"sqlite:///{tmp_path}/lab.db"
    writers = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, url, str(tmp_path)]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(RunStore(url, str(tmp_path)).list(status="finished", limit=100)) == 40
