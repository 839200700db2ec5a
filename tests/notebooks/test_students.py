"""A student's notebook runs to its end untouched, in a kernel; both languages have the same code."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from labkit.files.folder import LabFolder
from labkit.runner import ROOT, notebooks
from tests.notebooks.course import NAMES, asked, verdicts


@pytest.mark.parametrize("name", NAMES)
def test_a_students_notebook_runs_to_its_end_untouched(ray_cluster: LabFolder, tmp_path: Path, name: str) -> None:
    found = verdicts(notebooks("es")[name], ray_cluster, tmp_path / "out.ipynb")
    assert found == dict.fromkeys(asked(name), "not_attempted")
    assert nbformat.read(tmp_path / "out.ipynb", 4).metadata["labkit"] == {"lang": "es"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", ["", "solutions/"])
def test_code_is_the_same_in_both_languages(name: str, folder: str) -> None:
    spoken = []
    for lang in ("en", "es"):
        cells = nbformat.read(ROOT / "notebooks" / f"{folder}{lang}" / f"{name}.ipynb", 4).cells
        spoken.append([cell.source for cell in cells if cell.cell_type == "code"])
        kinds = [cell.cell_type for cell in cells]
        assert kinds.count("markdown") > 3
    assert spoken[0] == spoken[1]
