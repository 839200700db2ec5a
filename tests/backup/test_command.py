from __future__ import annotations

from pathlib import Path

import pytest

from tests.backup.conftest import lab_at
from tests.cli.conftest import Shell, shell_at


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    found = shell_at(tmp_path / "mi año" / "lab")
    found.run("runs", "list")
    lab_at(found.home).add_run("first")
    return found


def test_a_lab_is_backed_up_verified_listed_restored_and_thinned_out(shell: Shell, tmp_path: Path) -> None:
    at = ("--at", str(tmp_path / "mis copias"))
    made = shell.json("backup", "make", *at)
    assert made["n_files"] == 3 and made["lacking"] == []
    lab_at(shell.home).add_run("later")
    said = shell.run("backup", "verify", *at)
    assert f"Backup {made['id']} is sound" in said and "3 files" in said
    said = shell.run("backup", "restore", "newest", "--yes", *at)
    assert "The present state is backup" in said and f"Restored backup {made['id']}" in said
    assert len(lab_at(shell.home).runs.list()) == 1
    found = shell.json("backup", "list", *at)
    assert [each["n_files"] for each in found] == [6, 3]
    shell.run("backup", "restore", found[0]["id"], "--yes", "--discard", *at)  # what was given up comes back
    assert len(lab_at(shell.home).runs.list()) == 2
    assert f"Removed 1: {made['id']}" in shell.run("backup", "prune", "--keep", "1", *at)
    said = shell.run("backup", "make", "--keep", "1", LABKIT_BACKUP_URL=at[1])
    assert "Removed:" in said and len(shell.json("backup", "list", *at)) == 1


def test_wrong_use_is_told(shell: Shell, tmp_path: Path) -> None:
    assert "LABKIT_BACKUP_URL" in shell.run("backup", "make", status=2)
    assert "holds no backups" in shell.run("backup", "restore", "--at", str(tmp_path / "no"), status=2)
    assert "lies within the lab" in shell.run("backup", "make", "--at", str(shell.home / "kept"), status=2)
    assert "At least 1" in shell.run("backup", "make", "--keep", "0", "--at", str(tmp_path / "kept"), status=2)
    assert not (tmp_path / "kept").exists()
