from __future__ import annotations

import dataclasses
import re
import string
import tomllib
from importlib import resources
from typing import Any

import pytest

from labkit.classroom.text import LANGUAGES, explain, number, percent, t
from labkit.errors import UnknownName
from labkit.parallel.tasks import TaskEvent
from labkit.runner import ROOT
from labkit.scaling import bottlenecks, table

TEXTS = tomllib.loads(resources.files("labkit.classroom").joinpath("texts.toml").read_text(encoding="utf-8"))


def entries(node: dict[str, Any], path: str = "") -> dict[str, dict[str, str]]:
    if all(isinstance(value, str) for value in node.values()):
        return {path[1:]: node}
    return {key: text for name, inner in node.items() for key, text in entries(inner, f"{path}.{name}").items()}


def test_every_text_has_all_languages_and_the_same_placeholders() -> None:
    assert len(entries(TEXTS)) > 20
    for key, by_language in entries(TEXTS).items():
        assert set(by_language) == set(LANGUAGES), key
        fields = [
            sorted(name or "" for _, name, _, _ in string.Formatter().parse(by_language[lang]) if name is not None)
            for lang in LANGUAGES
        ]
        assert fields[0] == fields[1], key


def test_every_mark_has_a_text() -> None:
    marks = {table.SMT, table.OVER_SUBSCRIBED, table.UNSTABLE, table.STEAL, table.LOAD}
    assert set(TEXTS["mark"]) == marks


def test_placeholders_are_filled_in() -> None:
    assert t("plot.unfitted", "es", law="USL", n_cores=4) == "USL sin ajustar: necesita 4 núcleos"


def test_every_text_that_is_asked_for_by_its_whole_name_is_there() -> None:
    folders = (ROOT / "labkit", ROOT / "notebooks" / "src", ROOT / "notebooks" / "checks")
    sources = [path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py")]
    asked = {key for source in sources for key in re.findall(r'\bt\("([a-z_.]+)", ', source)}
    assert len(asked) > 50 and asked <= set(entries(TEXTS))


@pytest.mark.parametrize("key", ["plot.nothing", "plot", "plot.ideal.en", "plot.ideal.en.more", ""])
def test_a_missing_text_is_an_error_that_names_it(key: str) -> None:
    with pytest.raises(KeyError) as caught:
        t(key, "en")
    assert caught.value.args == (key,)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UnknownName, match="en, es"):
        t("plot.ideal", "fr")
    with pytest.raises(UnknownName, match="en, es"):
        number(1.0, "fr")


@pytest.mark.parametrize(
    ("value", "digits", "en", "es"),
    [
        (1.835, 2, "1.83", "1,83"),
        (-0.5, 1, "-0.5", "-0,5"),
        (9999, 0, "9999", "9999"),
        (1234567.8, 1, "1,234,567.8", "1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567,8"),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(value: float, digits: int, en: str, es: str) -> None:
    assert (number(value, "en", digits), number(value, "es", digits)) == (en, es)


def test_percentages_have_a_space_in_spanish() -> None:
    assert (percent(0.969, "en", 1), percent(0.969, "es", 1)) == ("96.9%", "96,9\N{NO-BREAK SPACE}%")


def test_a_diagnosis_is_explained_with_its_evidence_in_both_languages() -> None:
    events = [TaskEvent(f"t{i}", i, "local", 1, 0.0, 0.0, end, end, 0, 0) for i, end in enumerate((10.0, 2.0))]
    found = bottlenecks.diagnose(events, n_workers=2)
    assert explain(found, "en").startswith(
        "Workers: 2. Bottleneck: not measured. Their time: waiting 40%, CPU not measured"
    )
    assert "60%" in explain(found, "en") and "60\N{NO-BREAK SPACE}%" in explain(found, "es")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_reason_has_evidence_and_advice(lang: str) -> None:
    assert set(TEXTS["evidence"]) == set(TEXTS["advice"]) >= {table.OVER_SUBSCRIBED, table.LOAD, table.STEAL, "lock"}
    event = TaskEvent("t", 0, "local", 1, 0.0, 0.0, 1.0, 1.0, 0, 0)
    found = bottlenecks.diagnose([event], n_workers=1)
    for reason in TEXTS["evidence"]:
        assert TEXTS["advice"][reason][lang] in explain(dataclasses.replace(found, reason=reason, agreed=0.5), lang)
