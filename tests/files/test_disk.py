"""Disks that are full or read-only: real ones, mounted where only the test sees them (root writes past all rights)."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest


def _unshared(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def may_unshare() -> bool:
    return bool(shutil.which("unshare")) and _unshared("mount -t tmpfs none /mnt").returncode == 0


pytestmark = pytest.mark.skipif(not may_unshare(), reason="needs unshare: mounts of one's own (see user namespaces)")

FULL = 'mount -t tmpfs -o size=1m lab "$1" && exec "$2" -W error -c "$3" "$1"'
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -W error -c "$3" "$1"'
BEGIN = """
import os, pathlib, sys
from labkit.errors import StorageError
root = pathlib.Path(sys.argv[1])

def refused(action):
    try:
        action()
    except StorageError as fault:
        return str(fault)
    sys.exit("it was not refused")

def fill():
    with open(root / "filler", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
"""


def _run(mount: str, place: object, code: str) -> None:
    found = _unshared(mount, str(place), sys.executable, BEGIN + code)
    assert found.returncode == 0, found.stderr


def test_full_disk_keeps_the_old_file_and_says_so(tmp_path):
    _run(FULL, tmp_path, """
from labkit.files.whole import write_whole, whole_folder
write_whole(root / "kept", "old")
assert "disk is full" in refused(lambda: write_whole(root / "kept", bytes(2 << 20)))
assert (root / "kept").read_text() == "old" and os.listdir(root) == ["kept"]
def many():
    with whole_folder(root / "made") as scratch:
        write_whole(scratch / "x", bytes(2 << 20))
refused(many)
assert os.listdir(root) == ["kept"]
""")  # fmt: skip


def test_full_disk_is_found_before_a_lab_is_used_and_still_lets_a_lease_be_taken(tmp_path):
    _run(FULL, tmp_path, """
from labkit.files.folder import LabFolder
folder = LabFolder(root / "lab")
folder.ensure()
with folder.lease("x", "y").acquired(): pass
fill()
assert "disk is full" in refused(folder.ensure)
with folder.lease("x", "y").acquired(): pass
""")  # fmt: skip


def test_read_only_disk_is_said_for_files_folders_leases_and_labs(tmp_path):
    (tmp_path / "x.lock").touch()
    _run(READ_ONLY, tmp_path, """
from labkit.files.folder import LabFolder
from labkit.files.lease import Lease
from labkit.files.whole import write_whole
for action in (lambda: write_whole(root / "x", "1"), LabFolder(root).ensure, LabFolder(root / "lab").ensure,
               lambda: Lease(root / "x.lock", "").acquired().__enter__()):
    text = refused(action)
    assert "read-only disk" in text and str(root) in text, text
""")  # fmt: skip


def test_full_disk_under_the_store_keeps_what_was_finished(tmp_path):
    _run(FULL, tmp_path, """
from labkit.store.runs import RunStore
store = RunStore(f"sqlite:///{root}/lab.db", str(root / "runs"))
run = store.start("training", "x", {}, 1, "d", [])
store.checkpoint(run.id).save("a", b"finished")
fill()
assert "full" in refused(lambda: store.checkpoint(run.id).save("b", bytes(1 << 20)))
assert "full" in refused(lambda: [store.start("training", "x", {"p": "x" * 100_000}, 1, "d", []) for _ in range(20)])
(root / "filler").unlink()
assert store.checkpoint(run.id).load("a") == b"finished" and store.checkpoint(run.id).load("b") is None
store.update(run.id, status="finished")
assert store.get(run.id).status == "finished"
""")  # fmt: skip


def test_database_on_a_read_only_disk_is_said(tmp_path):
    _run(READ_ONLY, tmp_path, """
from labkit.store.runs import RunStore
text = refused(lambda: RunStore(f"sqlite:///{root}/lab.db", str(root / "runs")))
assert "LABKIT_HOME" in text, text
""")  # fmt: skip
