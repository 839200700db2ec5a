"""Every number of a report is one that a record gives."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from report.build import Report
from report.text import texts
from tests.report.conftest import BENCHMARK, RECORDS, TRAINING
from tests.report.pages import NAMES, NUMERAL, read_html, text_of_docx, text_of_html, text_of_pdf

Content = Callable[[str, str], bytes]
LANGUAGES = ("es", "en")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_numeral_of_the_page_has_an_entry_or_is_numbering(
    reports: dict[str, Report], content: Content, lang: str
) -> None:
    found = read_html(content(lang, "html"))
    entries = reports[lang].entries
    assert len(found.entries) > 300
    for place, shown in found.entries:
        assert " ".join(shown.replace("\u200b", "").split()) == " ".join(entries[place].shown.split()), entries[place]
    loose = NUMERAL.findall(NAMES.sub("", " ".join(found.parts["rest"])))
    allowed = {"0,5", "0.5", "1", "28", "2026"}  # what a score means; the report's own date, of the newest record
    assert set(loose) <= allowed, loose
    assert set(NUMERAL.findall(NAMES.sub("", " ".join(found.parts["code"])))) <= {
        "0.5"
    }  # the command that is told where none was run
    assert set(NUMERAL.findall(" ".join(found.parts["math"]))) <= {"1"}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("format_", ["docx", "pdf"])
def test_word_and_pdf_show_no_numeral_that_the_page_does_not(content: Content, lang: str, format_: str) -> None:
    page = text_of_html(content(lang, "html"))
    text = {"docx": text_of_docx, "pdf": text_of_pdf}[format_](content(lang, format_))
    # Hyphens and line ends of a PDF cut digests, addresses and run ids in two, so that parts of them count as well.
    known = re.sub(r"\s", "", page.replace("\u200b", ""))
    drawn = {"1", "2", "3", "4"} | {f":{port}" for port in (3000, 8000, 8888, 6379)}
    for numeral in set(NUMERAL.findall(text.replace("\u200b", ""))) - drawn:
        page_number = numeral.isdigit() and int(numeral) <= 30
        assert re.sub(r"\s", "", numeral) in known or page_number, numeral


@pytest.mark.parametrize("lang", LANGUAGES)
def test_five_numbers_are_what_another_way_of_computing_gives(reports: dict[str, Report], lang: str) -> None:
    shown = {(entry.source, entry.how, *entry.of): entry.shown for entry in reports[lang].entries}
    record, training = (next(each for each in RECORDS if each["id"] == run) for run in (BENCHMARK, TRAINING))
    timings = [timing for timing in record["results"]["timings"] if timing["round"] > 0]

    def seconds(subject: str, n_workers: int) -> dict[int, float]:
        chosen = [t for t in timings if t["subject"] == subject and t["n_workers"] == n_workers]
        return {t["round"]: t["seconds"] for t in chosen}

    def written(value: float, digits: int) -> str:
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if lang == "es" else text

    serial, two = seconds("sequential", 1), seconds("ray", 2)
    speedup = statistics.median(serial[number] / two[number] for number in two)
    at = (BENCHMARK, "at", "results", "tables", "ray", 1)
    assert shown[*at, "speedup"] == written(speedup, 2)
    assert shown[*at, "sequential_s"] == written(statistics.median(serial.values()), 2)
    gap = "\u00a0" if lang == "es" else ""
    assert shown[*at, "efficiency"] == f"{speedup / 2 * 100:.0f}{gap}%"
    rate = record["results"]["n_rows"] / statistics.median(two.values())
    assert shown[*at, "throughput_rows_s"] == f"{rate:.0f}"
    fraction = (1 / speedup - 1 / 2) / (1 - 1 / 2)
    assert shown[BENCHMARK, "karp_flatt", "ray", 1] == written(fraction, 3)
    done = [event for event in training["events"] if event["error"] is None]
    assert shown[TRAINING, "n_done"] == str(len(done))
    span = max(event["received_s"] for event in done) - min(event["submitted_s"] for event in training["events"])
    assert shown[TRAINING, "makespan_s"] == written(span, 1)


def test_both_languages_show_the_same_numbers(reports: dict[str, Report]) -> None:
    def places(lang: str) -> list[Any]:
        return sorted(json.dumps([e.source, e.how, e.of, e.kind, e.digits]) for e in reports[lang].entries)

    assert places("es") == places("en")


def test_every_text_is_in_both_languages_with_the_same_values() -> None:
    def walk(place: str, found: dict[str, Any]) -> None:
        if set(found) & set(LANGUAGES):
            assert set(found) == set(LANGUAGES), place
            values = [sorted(re.findall(r"\{\w+\}", found[lang])) for lang in LANGUAGES]
            assert values[0] == values[1], place
            return
        for name, inner in found.items():
            walk(f"{place}.{name}", inner)

    walk("", texts())


def test_spanish_writes_a_decimal_comma_and_english_a_point(content: Content) -> None:
    assert "0,711" in text_of_html(content("es", "html")) and "0.711" not in text_of_html(content("es", "html"))
    assert "0.711" in text_of_html(content("en", "html"))
    assert "28 de noviembre de 2026" in text_of_pdf(content("es", "pdf"))
    assert "28 November 2026" in text_of_pdf(content("en", "pdf"))


def test_every_table_and_figure_of_measurements_names_its_run(content: Content) -> None:
    page = content("es", "html").decode()
    captions = re.findall(r"<(?:caption|figcaption)>(.*?)</(?:caption|figcaption)>", page, re.DOTALL)
    general = (
        "Puertos",
        "Rutas",
        "Arquitectura",
        "ontenedores",
        "núcleo",
        "ejecuciones",
        "máquinas",
        "Parámetros",
        "orden que repite",
        "plantilla",
    )
    for caption in captions:
        told = re.sub(r"<[^>]+>", "", caption)
        assert re.search(r"\d{8}-\d{6}-[0-9a-f]{4}", told) or any(word in told for word in general), told
    assert len(captions) >= 20
