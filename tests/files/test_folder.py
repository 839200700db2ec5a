from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from labkit.errors import OldLayout, StorageError
from labkit.files.folder import LabFolder


def test_folder_is_made_for_its_owner_alone_and_twice_does_no_harm(tmp_path):
    folder = LabFolder(tmp_path / "un año" / "lab")
    folder.ensure()
    folder.ensure()
    assert folder.root.stat().st_mode & 0o777 == 0o700
    assert all(path.is_dir() for path in (folder.data, folder.models, folder.runs, folder.logs))
    assert sorted(path.name for path in folder.root.iterdir()) == ["data", "layout", "logs", "models", "runs"]


@pytest.mark.parametrize("found", ["0", "2", "", "\0"])
def test_another_layout_is_refused_and_the_way_out_is_said(tmp_path, found):
    (tmp_path / "layout").write_text(found)
    with pytest.raises(OldLayout, match="labkit clean"):
        LabFolder(tmp_path).ensure()
    assert (tmp_path / "layout").read_text() == found


def test_folder_of_somebody_else_is_not_made_a_lab(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StorageError, match=r"thesis\.tex"):
        LabFolder(tmp_path).ensure()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_lease_or_token_that_is_there_first_and_a_disks_own_folder_do_not_make_it_strange(tmp_path):
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "token").touch()
    folder = LabFolder(tmp_path)
    with folder.lease("head", "start").acquired():
        folder.ensure()
    assert folder.data.is_dir()


def test_path_that_is_a_file_is_said_clearly(tmp_path):
    (tmp_path / "lab").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        LabFolder(tmp_path / "lab").ensure()


def test_several_processes_may_make_it_at_once(tmp_path):
    code = "import pathlib, sys; from labkit.files import folder; folder.LabFolder(pathlib.Path(sys.argv[1])).ensure()"
    makers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lab")]) for _ in range(6)]
    assert [maker.wait() for maker in makers] == [0] * 6


def test_a_lab_that_another_process_makes_at_that_very_moment_is_no_stranger(tmp_path, monkeypatch):
    listed = pathlib.Path.iterdir

    def listed_late(path):
        monkeypatch.undo()
        LabFolder(path).ensure()
        return listed(path)

    monkeypatch.setattr(pathlib.Path, "iterdir", listed_late)
    LabFolder(tmp_path / "lab").ensure()
