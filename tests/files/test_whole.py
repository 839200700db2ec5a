from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.errors import StorageError
from labkit.files.whole import MARK, scratch_folder, whole_folder, write_whole


def test_text_and_bytes_are_written_and_folders_made(tmp_path):
    write_whole(tmp_path / "a" / "b", "año")
    assert (tmp_path / "a" / "b").read_bytes() == "año".encode()
    write_whole(str(tmp_path / "a" / "b"), b"\0")
    assert (tmp_path / "a" / "b").read_bytes() == b"\0"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_rights_are_the_umasks_or_narrower_where_asked(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "open", "x")
        write_whole(tmp_path / "secret", "x", mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_failed_write_leaves_what_was_there_and_no_scratch(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "child").touch()
    with pytest.raises(StorageError, match=str(tmp_path)):
        write_whole(tmp_path / "taken", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_folder_that_is_a_file_is_said_clearly(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x", "x")


def test_folder_takes_its_place_once_it_is_whole(tmp_path):
    with whole_folder(tmp_path / "made") as scratch:
        (scratch / "x").write_text("1")
        assert not (tmp_path / "made").exists()
    assert (tmp_path / "made" / "x").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_failed_folder_vanishes_and_the_error_is_the_callers_own(tmp_path):
    with pytest.raises(KeyError), whole_folder(tmp_path / "made") as scratch:
        (scratch / "x").touch()
        raise KeyError("x")
    assert list(tmp_path.iterdir()) == []


def test_folder_does_not_replace_one_that_holds_something(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "old").touch()
    with pytest.raises(StorageError, match="made"), whole_folder(tmp_path / "made"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["made"] and (tmp_path / "made" / "old").exists()


def test_what_a_killed_program_left_is_removed_by_the_next_one(tmp_path):
    code = (
        "import os, signal, sys; from labkit.files.whole import whole_folder\n"
        "with whole_folder(sys.argv[1]) as scratch:\n"
        "    (scratch / 'x').touch(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "made")])
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1 and not (tmp_path / "made").exists()
    with whole_folder(tmp_path / "made"), whole_folder(tmp_path / "beside"):  # one that is alive is left alone
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside", "made"]


def test_what_another_host_writes_in_a_shared_folder_is_left_alone(tmp_path: Path) -> None:
    theirs, ours = (tmp_path / f"{MARK}{2**22 + 1}-abcd@{host}.part" for host in ("elsewhere", os.uname().nodename))
    theirs.touch()
    ours.touch()
    with scratch_folder(tmp_path):
        pass
    assert theirs.exists() and not ours.exists()
