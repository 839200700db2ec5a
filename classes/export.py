"""Assignments to hand out: nbgrader's source notebooks, and the students' own as a zip for those who do without it.

A notebook's source is told apart from its solution by the notebooks that are built from both: what differs becomes a
solution region, and each call of `check` a graded test, with a hidden part that nobody's own cells can answer for.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from classes.text import LANGUAGES, course, tr
from labkit.errors import InvalidArgument
from labkit.files.whole import whole_folder
from labkit.runner import ROOT, notebooks

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_TIMEOUT_S = 900
_HIDDEN = """\
### BEGIN HIDDEN TESTS
from labkit.classroom.exercises import check as _judge
_verdict = _judge({arguments})
assert _verdict.state == "right", _verdict.message
### END HIDDEN TESTS"""
_CONFIG = """\
import os

os.environ.setdefault("LABKIT_LANG", "{lang}")  # in which checks speak while they grade
c = get_config()
c.CourseDirectory.course_id = "labkit-{lang}"
c.ClearSolutions.code_stub = {{"python": "# {stub}"}}
c.ExecutePreprocessor.timeout = {timeout_s}  # seconds a cell
"""


def export(target: Path) -> dict[str, list[str]]:
    """Write a course folder of nbgrader's for each language, and a zip of the students' notebooks beside it.

    Parameters
    ----------
    target : Path
        The folder to make.

    Returns
    -------
    dict
        By language, the names of the assignments.

    Raises
    ------
    InvalidArgument
        If the folder is there already.
    """
    if target.exists():
        raise InvalidArgument(f"{target} exists already; name another folder by --output.")
    made: dict[str, list[str]] = {}
    with whole_folder(target.absolute()) as folder:
        for lang in sorted(LANGUAGES):
            place = folder / "nbgrader" / lang
            for name, path in notebooks(lang).items():
                source = place / "source" / name / f"{name}.ipynb"
                source.parent.mkdir(parents=True)
                source.write_text(_text(assignment(path, _solution(path, lang))), encoding="utf-8")
                made.setdefault(lang, []).append(name)
            stub = tr("export.stub", lang)
            (place / "nbgrader_config.py").write_text(
                _CONFIG.format(lang=lang, stub=stub, timeout_s=_TIMEOUT_S), encoding="utf-8"
            )
            (folder / f"students-{lang}.zip").write_bytes(_bundle(lang))
    return made


def assignment(student: Path, solution: Path | None) -> dict[str, Any]:
    """Return a student's notebook with its solution regions and graded tests, as nbgrader's source.

    Parameters
    ----------
    student, solution : Path
        Both built from one source; None where there is nothing to solve.
    """
    made: dict[str, Any] = json.loads(student.read_text("utf-8"))
    solved = {} if solution is None else _sources(json.loads(solution.read_text("utf-8")))
    for cell in made["cells"]:
        if cell["cell_type"] != "code":
            continue
        asked, call = "".join(cell["source"]), _check("".join(cell["source"]))
        if call is not None and call[0] in course():
            key, arguments = call
            cell["source"] = f"{asked}\n{_HIDDEN.format(arguments=arguments)}"
            cell["metadata"]["nbgrader"] = _marks(f"check-{key.replace('.', '-')}", grade=True)
        elif solved.get(cell["id"], asked) != asked:
            cell["source"] = marked(asked, solved[cell["id"]])
            cell["metadata"]["nbgrader"] = _marks(f"answer-{cell['id']}", grade=False)
    return made


def marked(asked: str, solved: str) -> str:
    r"""Return a student's cell with its solution below each gap, between the marks by which nbgrader takes it out.

    Examples
    --------
    >>> print(marked("def twice(x):\n    ...", "def twice(x):\n    return 2 * x"))
    def twice(x):
        ...
        ### BEGIN SOLUTION
        return 2 * x
        ### END SOLUTION
    """
    gaps, full = asked.splitlines(), solved.splitlines()
    lines: list[str] = []
    for kind, begin, end, first, last in difflib.SequenceMatcher(None, gaps, full, autojunk=False).get_opcodes():
        lines += gaps[begin:end]
        if kind in ("replace", "insert"):
            told = next(line for line in full[first:last] if line.strip())
            indent = told[: len(told) - len(told.lstrip())]
            lines += [indent + BEGIN, *full[first:last], indent + END]
    return "\n".join(lines)


def _check(source: str) -> tuple[str, str] | None:
    """Return the exercise that a cell checks, and the arguments of that call as they are written."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check":
            key = node.args[0] if node.args else None
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                return key.value, ", ".join(map(ast.unparse, node.args))
    return None


def _marks(grade_id: str, *, grade: bool) -> dict[str, Any]:
    marks = {"grade_id": grade_id, "grade": grade, "solution": not grade, "locked": grade, "task": False}
    return {**marks, "schema_version": 3} | ({"points": 1} if grade else {})


def _solution(student: Path, lang: str) -> Path | None:
    found = ROOT / "notebooks" / "solutions" / lang / student.name
    return found if found.exists() else None


def _sources(notebook: dict[str, Any]) -> dict[str, str]:
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


def _text(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _bundle(lang: str) -> bytes:
    """Return a zip of the students' notebooks, the same bytes for the same notebooks."""
    packed = io.BytesIO()
    files: Sequence[tuple[str, bytes]] = [(path.name, path.read_bytes()) for path in notebooks(lang).values()]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in [*files, (tr("export.readme_name", lang), tr("export.readme", lang).encode())]:
            entry = zipfile.ZipInfo(f"labkit-{lang}/{name}", (2020, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            opened.writestr(entry, content)
    return packed.getvalue()
