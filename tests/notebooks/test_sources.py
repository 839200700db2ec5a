"""What all notebooks have in common, so that whoever knows one finds the way in the next."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest

from labkit.classroom.exercises import exercises

SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "src").glob("*.py"))
FIXED = re.compile(r"\{[^{}\":]*:[^{}\" ]*(,|\.\d+[ef]?)\}")  # a format that no language chooses
HEADINGS = {
    "en": [r"# {n} · .+", r"## \d .+", r"### Exercise {n}\.\d: .+", r"### Predict, then measure", r"## Summary"],
    "es": [r"# {n} · .+", r"## \d .+", r"### Ejercicio {n}\.\d: .+", r"### Predice y luego mide", r"## Resumen"],
}
TIME = {
    "en": r"\*\*Time:\*\* about \d+ minutes, of which the cells compute for (less than|about) one \(on 2 cores,",
    "es": r"\*\*Tiempo:\*\* unos \d+ minutos; de ellos, las celdas calculan (menos|cerca) de uno \(con 2 núcleos",
}


def texts(source: Path, lang: str) -> list[str]:
    cells = jupytext.read(source, fmt="py:percent").cells
    return [cell.source for cell in cells if cell.cell_type == "markdown" and cell.metadata["lang"] == lang]


def headings(source: Path, lang: str) -> list[str]:
    return [line for text in texts(source, lang) for line in text.splitlines() if re.match("#+ ", line)]


@pytest.mark.parametrize("lang", HEADINGS)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_headings_are_of_one_kind_in_all_notebooks(source: Path, lang: str) -> None:
    n, found = int(source.stem[:2]), headings(source, lang)
    known = [re.compile(pattern.format(n=n)) for pattern in HEADINGS[lang]]
    assert [line for line in found if not any(pattern.fullmatch(line) for pattern in known)] == []
    numbered = [int(line.split()[1]) for line in found if known[1].fullmatch(line)]
    assert numbered == list(range(1, len(numbered) + 1)) and known[4].fullmatch(found[-1])
    asked = [key for key in exercises() if key.startswith(f"{n}.")]
    given = [match[0] for line in found if (match := re.search(rf"{n}\.\d", line))]
    assert sorted(given) == [key for key in asked if key[-1].isdigit()]
    assert sum(bool(known[3].fullmatch(line)) for line in found) == sum(key[-1].isalpha() for key in asked)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_both_languages_have_the_same_headings_in_the_same_places(source: Path) -> None:
    levels = [[re.match("#+", line)[0] for line in headings(source, lang)] for lang in HEADINGS]  # type: ignore[index]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("lang", TIME)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_says_how_long_it_takes_and_how_much_of_that_is_computing(source: Path, lang: str) -> None:
    assert re.search(TIME[lang], " ".join(texts(source, lang)[0].split()))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_numbers_are_written_as_the_reader_s_language_does(source: Path) -> None:
    code = [cell.source for cell in jupytext.read(source, fmt="py:percent").cells if cell.cell_type == "code"]
    assert [line for cell in code for line in cell.splitlines() if FIXED.search(line)] == []
