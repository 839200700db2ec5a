"""Assignments hold the solutions that the course has; nbgrader releases, grades and answers one. Some 30 seconds."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from classes.export import BEGIN, END, export
from classes.text import course
from labkit.errors import InvalidArgument
from labkit.runner import ROOT, notebooks

NBGRADER = Path(sys.executable).with_name("nbgrader")
NAME = "04_speedup_tables"
WRONG = """\
from statistics import median

def speedup(sequential_s, parallel_s):
    return median(after / before for before, after in zip(sequential_s, parallel_s))
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("curso") / "out"
    export(target)
    return target


def cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


@pytest.mark.parametrize("lang", ["es", "en"])
def test_what_is_marked_as_solution_is_all_that_students_do_not_get(exported: Path, lang: str) -> None:
    for name, student in notebooks(lang).items():
        made = cells(exported / "nbgrader" / lang / "source" / name / f"{name}.ipynb")
        given = {cell["id"]: source(cell) for cell in cells(student)}
        solution = ROOT / "notebooks" / "solutions" / lang / student.name
        solved = {cell["id"]: source(cell) for cell in cells(solution)} if solution.exists() else {}
        assert list(given) == [cell["id"] for cell in made]
        for cell in made:
            text, marks = source(cell), cell["metadata"].get("nbgrader")
            hidden = re.sub(r"\n### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS", "", text, flags=re.DOTALL)
            kept = re.sub(rf"\n *{BEGIN}\n.*?{END}", "", hidden, flags=re.DOTALL)
            assert kept == given[cell["id"]]
            told = re.sub(rf"\n *({BEGIN}|{END})", "", hidden)
            gaps = re.sub(r"^( *\.\.\.|[\w., ]+ = \.\.\.)\n(?=[\s\S])", "", told, flags=re.MULTILINE)
            assert gaps == solved.get(cell["id"], gaps)
            assert (marks is None) == (text == given[cell["id"]])


@pytest.mark.parametrize("lang", ["es", "en"])
def test_every_exercise_of_the_course_is_graded_once_by_a_hidden_test(exported: Path, lang: str) -> None:
    made = [
        cell
        for name in notebooks(lang)
        for cell in cells(exported / "nbgrader" / lang / "source" / name / f"{name}.ipynb")
        if "nbgrader" in cell["metadata"]
    ]
    ids = [cell["metadata"]["nbgrader"]["grade_id"] for cell in made]
    graded = [cell["metadata"]["nbgrader"] for cell in made if cell["metadata"]["nbgrader"]["grade"]]
    asked = [key for key, texts in course().items() if "title" in texts]
    assert [marks["grade_id"] for marks in graded] == [f"check-{key.replace('.', '-')}" for key in asked]
    assert {marks["points"] for marks in graded} == {1}
    assert all(marks["locked"] for marks in graded)
    assert sum("BEGIN HIDDEN TESTS" in source(cell) for cell in made) == len(asked)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("lang", "readme"), [("es", "LEEME.txt"), ("en", "README.txt")])
def test_the_students_zip_holds_their_notebooks_and_no_solution(exported: Path, lang: str, readme: str) -> None:
    with zipfile.ZipFile(exported / f"students-{lang}.zip") as opened:
        held = {name: opened.read(name) for name in opened.namelist()}
    wanted = {f"labkit-{lang}/{path.name}": path.read_bytes() for path in notebooks(lang).values()}
    assert held == wanted | {f"labkit-{lang}/{readme}": held[f"labkit-{lang}/{readme}"]}
    assert b"labkit class hand-in" in held[f"labkit-{lang}/{readme}"]


def test_what_is_there_already_stays(exported: Path) -> None:
    with pytest.raises(InvalidArgument, match="exists already"):
        export(exported)


def nbgrader(course_folder: Path, home: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABKIT_")}
    done = subprocess.run(
        [NBGRADER, *arguments], cwd=course_folder, capture_output=True, text=True, timeout=180,
        env={**environment, "LABKIT_HOME": str(home), "PATH": f"{NBGRADER.parent}:{os.environ['PATH']}"},  # for alembic
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_nbgrader_releases_grades_and_answers(exported: Path, tmp_path: Path) -> None:
    folder = exported / "nbgrader" / "es"
    original = folder / "source" / NAME / f"{NAME}.ipynb"
    made = json.loads(original.read_text("utf-8"))
    own = [cell for cell in made["cells"] if "nbgrader" in cell["metadata"] and "predict(" not in source(cell)]
    begin = {**own[0], "id": "begin", "metadata": {}, "source": "from labkit import check"}
    original.write_text(json.dumps({**made, "cells": [begin, *own]}))  # what trains and measures is tested elsewhere
    nbgrader(folder, tmp_path, "generate_assignment", NAME, "--create")
    text = (folder / "release" / NAME / f"{NAME}.ipynb").read_text("utf-8")
    assert not re.search("HIDDEN|SOLUTION|_verdict", text)
    assert "tu respuesta va encima de esta línea" in text

    notebook = json.loads(text)
    answers = {cell["id"]: source(cell) for cell in cells(ROOT / "notebooks" / "solutions" / "es" / f"{NAME}.ipynb")}
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = WRONG if "def speedup" in source(cell) else answers[cell["id"]]
        elif cell["metadata"].get("nbgrader", {}).get("grade_id") == "check-4-3":
            cell["source"] = "pass"  # a check that a student has taken out is put back
    handed_in = folder / "submitted" / "ana" / NAME / f"{NAME}.ipynb"
    handed_in.parent.mkdir(parents=True)
    handed_in.write_text(json.dumps(notebook))
    nbgrader(folder, tmp_path, "autograde", NAME, "--create")
    nbgrader(folder, tmp_path, "generate_feedback", NAME)

    graded = json.loads((folder / "autograded" / "ana" / NAME / f"{NAME}.ipynb").read_text("utf-8"))
    failed = [
        cell["metadata"]["nbgrader"]["grade_id"]
        for cell in graded["cells"]
        if any(output["output_type"] == "error" for output in cell.get("outputs", []))
    ]
    assert failed == ["check-4-1"]
    feedback = (folder / "feedback" / "ana" / NAME / f"{NAME}.html").read_text("utf-8")
    assert re.search(r"Score:\s*3\.0\s*/\s*4\.0", feedback)
    told = course()["4.1"]["not_yet"]["upside_down"]["es"]  # it says what is wrong, in its language
    assert max(re.split(r"\{\w+\}", told), key=len).strip() in html.unescape(feedback)
