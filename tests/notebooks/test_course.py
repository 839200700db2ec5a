"""The whole course in a kernel: solutions pass every check, and a student's notebook runs to its end untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.classroom.exercises import VERDICT, exercises
from labkit.files.folder import LabFolder
from labkit.notebooks import read_suite
from labkit.runner import ROOT, NotebookRunner, notebooks

QUICK = read_suite(ROOT / "notebooks" / "quick.toml")
NAMES = list(notebooks())


def verdicts(source: Path, folder: LabFolder, target: Path, **parameters: Any) -> dict[str, str]:
    with NotebookRunner() as runner:
        runner.run(source, target, {**parameters, "home": str(folder.root)}, timeout_s=220)
    outputs = [output for cell in nbformat.read(target, 4).cells for output in cell.get("outputs", [])]
    found = [output["data"][VERDICT] for output in outputs if VERDICT in output.get("data", {})]
    return {verdict["exercise"]: verdict["state"] for verdict in found}


def asked(name: str) -> set[str]:
    return {key for key in exercises() if key.startswith(f"{int(name[:2])}.")}


def test_the_quick_suite_is_the_whole_course() -> None:
    assert list(QUICK) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes_every_check(ray_cluster: LabFolder, tmp_path: Path, name: str) -> None:
    source = ROOT / "notebooks" / "solutions" / "en" / f"{name}.ipynb"
    assert verdicts(source, ray_cluster, tmp_path / "out.ipynb", **QUICK[name]) == dict.fromkeys(asked(name), "right")


@pytest.mark.parametrize("name", NAMES)
def test_a_students_notebook_runs_to_its_end_untouched(ray_cluster: LabFolder, tmp_path: Path, name: str) -> None:
    found = verdicts(notebooks("es")[name], ray_cluster, tmp_path / "out.ipynb", **QUICK[name])
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
