from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from labkit.errors import Busy, StorageError
from labkit.files.lease import Lease

HOLD = (
    "import sys, pathlib; from labkit.files.lease import Lease\n"
    "with Lease(pathlib.Path(sys.argv[1]), 'measure').acquired():\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def held(tmp_path):
    """A lease that another process holds."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "x.lock")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"
    yield other, tmp_path / "x.lock"
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()


def test_held_lease_is_refused_with_who_holds_it(held):
    other, path = held
    who = rf"process {other.pid} holds it since \d\d:\d\d:\d\d \(measure\)"
    with pytest.raises(Busy, match=who), Lease(path, "train").acquired():
        pytest.fail("two hold it")


def test_lease_dies_with_its_process(held):
    other, path = held
    other.kill()
    other.wait()
    with Lease(path, "train").acquired():
        assert Lease(path, "").holder().startswith(f"process {os.getpid()}")


def test_who_waits_is_told_once_and_gets_it_when_it_is_free(held):
    other, path = held
    told = []

    def on_wait(holder: str) -> None:
        told.append(holder)
        os.truncate(path, 0)  # as its holder leaves it, a moment before it is free
        threading.Timer(0.5, other.stdin.close).start()

    with Lease(path, "train").acquired(wait_s=30.0, on_wait=on_wait):
        pass
    assert len(told) == 1 and "measure" in told[0]


def test_lease_is_given_back_after_an_error_and_excludes_its_own_process_too(tmp_path):
    lease = Lease(tmp_path / "deep" / "x.lock", "train")
    with pytest.raises(KeyError), lease.acquired():
        with pytest.raises(Busy), lease.acquired(wait_s=0.15):
            pytest.fail("two hold it")
        raise KeyError
    with lease.acquired():
        pass
    assert lease.path.exists() and lease.path.read_bytes() == b""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff"])
def test_unreadable_owner_is_nobody_in_particular(tmp_path, content):
    (tmp_path / "x.lock").write_bytes(content)
    assert Lease(tmp_path / "x.lock", "").holder() == "another process holds it"


def test_removed_file_does_not_make_a_second_holder_of_who_waits(tmp_path):
    lease = Lease(tmp_path / "x.lock", "train")
    with lease.acquired():
        lease.path.unlink()
        # The old file stands for nothing any more.
        with lease.acquired(), pytest.raises(Busy), lease.acquired():
            pytest.fail("two hold the new file")


def test_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "x.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError), Lease(tmp_path / "x.lock", "train").acquired():
        pass
    assert (tmp_path / "precious").read_text() == "mine"
