"""Answers as a student would type them and what a check says of each; whole notebooks, and what their checks said."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

import nbformat

import labkit
from labkit.classroom.exercises import VERDICT, Verdict, exercises
from labkit.files.folder import LabFolder
from labkit.notebooks import read_suite
from labkit.runner import ROOT, NotebookRunner, notebooks

QUICK = read_suite(ROOT / "notebooks" / "quick.toml")
NAMES = list(notebooks())


def answer(exercise: str, name: str, code: str, prelude: str = "") -> Verdict:
    """Run a prelude and an answer like cells of a notebook, and check what has the name."""
    cells: dict[str, Any] = {}
    for number, source in enumerate((prelude, code)):
        place = f"<ipykernel-{exercise}-{number}>"
        linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
        exec(compile(source, place, "exec"), cells)
    return labkit.check(exercise, cells[name])


def verdicts(source: Path, folder: LabFolder, target: Path) -> dict[str, str]:
    """Run a notebook small in a kernel of its own; return what its checks said."""
    with NotebookRunner() as runner:
        runner.run(source, target, {**QUICK[source.stem], "home": str(folder.root)}, timeout_s=220)
    outputs = [output for cell in nbformat.read(target, 4).cells for output in cell.get("outputs", [])]
    found = [output["data"][VERDICT] for output in outputs if VERDICT in output.get("data", {})]
    return {verdict["exercise"]: verdict["state"] for verdict in found}


def asked(name: str) -> set[str]:
    """Return what a notebook asks, exercises and predictions."""
    return {key for key in exercises() if key.startswith(f"{int(name[:2])}.")}
