"""Build the notebooks of each language from one source: notebooks/src/*.py → notebooks/en, es and solutions/{en,es}.

::

    python notebooks/build.py            write them
    python notebooks/build.py --check    change nothing; fail and name what is out of step

A source is a percent script. A cell tagged ``lang="en"`` or ``lang="es"`` goes to that language, any other cell to
both; ``tags=["parameters"]`` marks the cell that papermill fills in, ``tags=["solution"]`` one for solutions alone.

A student gets ``...`` in the place of what follows a line ``# solution`` in its block, and of a value that is followed
by ``# solution`` in its line.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode, v4

LANGUAGES = ("en", "es")
_KNOWN_KEYS = {"lang", "tags", "lines_to_next_cell"}  # jupytext adds the last one
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_VALUE = re.compile(r"^(?P<begin>\s*[\w., ]+ = )(?P<value>.*?)  # solution$")


def render(source: Path) -> dict[str, str]:
    """Return the text of a source's notebooks by folder; the same source gives the same bytes."""
    cells = jupytext.read(source, fmt="py:percent").cells
    for cell in cells:
        metadata = cell.metadata
        if metadata.get("lang", LANGUAGES[0]) not in LANGUAGES or not metadata.keys() <= _KNOWN_KEYS:
            # A misspelt tag would send the cell to both languages, and nobody would notice.
            raise ValueError(
                f"{source.name}: a cell may be tagged with lang ({', '.join(LANGUAGES)}) and tags, not with"
                f" {dict(metadata)}; it begins: {cell.source[:60]!r}"
            )
    notebooks = {}
    for lang in LANGUAGES:
        spoken = [cell for cell in cells if cell.metadata.get("lang", lang) == lang]
        asked = [cell for cell in spoken if "solution" not in cell.metadata.get("tags", [])]
        notebooks[lang] = _notebook([(cell, without_solution(cell.source)) for cell in asked], lang)
        if any("# solution" in cell.source for cell in cells):
            notebooks[f"solutions/{lang}"] = _notebook([(cell, with_solution(cell.source)) for cell in spoken], lang)
    return notebooks


def without_solution(source: str) -> str:
    """Return a cell as a student gets it.

    Examples
    --------
    >>> print(without_solution("def twice(x):\\n    # solution\\n    return 2 * x\\n\\n\\nguess = 2.0  # solution"))
    def twice(x):
        ...
    <BLANKLINE>
    <BLANKLINE>
    guess = ...
    """
    kept: list[str] = []
    blank: list[str] = []
    depth: int | None = None
    for line in source.splitlines():
        indent = len(line) - len(line.lstrip())
        if depth is not None and (not line.strip() or indent >= depth):
            blank = [*blank, line] if not line.strip() else []
            continue
        if depth is not None:
            kept, depth = [*kept, *blank], None
        if line.strip() == "# solution":
            kept, depth, blank = [*kept, f"{line[:indent]}..."], indent, []
        else:
            kept.append(_VALUE.sub(r"\g<begin>...", line))
    return "\n".join(kept)


def with_solution(source: str) -> str:
    """Return a cell with its solution, without the marks."""
    lines = [_VALUE.sub(r"\g<begin>\g<value>", line) for line in source.splitlines()]
    return "\n".join(line for line in lines if line.strip() != "# solution")


def _notebook(cells: Sequence[tuple[NotebookNode, str]], lang: str) -> str:
    new = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell, "raw": v4.new_raw_cell}
    built, seen = [], set()
    for cell, source in cells:
        # The id follows from the content: a cell that is added changes no other cell's id.
        n_before = 0
        while (cell_id := _digest(cell.cell_type, cell.source, n_before)) in seen:
            n_before += 1
        seen.add(cell_id)
        kept = {"tags": list(cell.metadata["tags"])} if "tags" in cell.metadata else {}
        built.append(new[cell.cell_type](source, id=cell_id, metadata=kept))
    notebook = v4.new_notebook(cells=built, metadata={**_METADATA, "labkit": {"lang": lang}})
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def expected(root: Path) -> dict[Path, str]:
    """Return the notebooks that belong below `root`, and their text."""
    return {
        root / folder / f"{source.stem}.ipynb": text
        for source in sorted((root / "src").glob("*.py"))
        for folder, text in render(source).items()
    }


def build(root: Path) -> list[Path]:
    """Write the notebooks that are out of step and return them. What has no source stays: it may be somebody's work."""
    written = []
    for path, text in expected(root).items():
        if _text(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    return written


def out_of_step(root: Path) -> list[str]:
    """Return one line for each notebook that differs from its source, is missing, or has no source."""
    wanted = expected(root)
    faults = []
    for path, text in wanted.items():
        if (found := _text(path)) != text:
            faults.append(f"{path.relative_to(root)}: {'missing' if found is None else 'differs from its source'}")
    for folder in (*LANGUAGES, *(f"solutions/{lang}" for lang in LANGUAGES)):
        for path in sorted((root / folder).glob("*.ipynb")):
            if path not in wanted:
                faults.append(f"{path.relative_to(root)}: has no source in src")
    return faults


def _text(path: Path) -> str | None:
    # Bytes, since reading as text would take \r\n for \n.
    return path.read_bytes().decode(errors="replace") if path.exists() else None


def main(arguments: Sequence[str] | None = None, root: Path = Path(__file__).parent) -> int:
    """Build or check, and return the exit status."""
    parser = argparse.ArgumentParser(description="Build the notebooks of each language from notebooks/src.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail and name what is out of step")
    if not parser.parse_args(arguments).check:
        for path in build(root):
            print(f"wrote {path.relative_to(root)}")
        return 0
    faults = out_of_step(root)
    if faults:
        print("Notebooks out of step; run `python notebooks/build.py`, and delete those without a source:")
        print("\n".join(f"  {fault}" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
