"""A class of 30 is counted, what cannot be trusted is named and left out. Some 10 seconds."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import classes.cli
import labkit.cli.runs
from classes.collect import Collected, by_work, collect, exercises_of, predictions_of
from classes.page import HEADER, to_csv, to_html
from classes.reading import MAX_FILES, HandIn, Refused
from labkit.cli.app import app
from labkit.errors import InvalidArgument
from labkit.files.folder import LabFolder
from labkit.store.progress import ProgressStore
from tests.classes.bundles import BENCHMARK, TRAINING, files_of, progress, varied, write_class, write_folder, write_zip
from tests.classes.hostile import ATTACK, REASONS
from tests.report.conftest import store_of


def test_thirty_are_counted_and_every_other_is_named_with_its_reason(collected: Collected) -> None:
    assert collected.counted == [f"student-{n:02}" for n in range(30)]
    assert {name: fault.reason for name, fault in collected.refused} == REASONS
    assert collected.n_runs == 30 + 6 + 2 * 5
    assert not collected.notes


def test_speedups_stand_by_work_and_by_machine_and_are_those_of_the_records(
    collected: Collected, class_folder: Path
) -> None:
    works = by_work(collected.tables)
    assert [work.kind for work in works] == ["training", "late", "weak"]
    machines = next(iter(works.values()))
    assert [len(tables) for tables in machines.values()] == [8, 8, 7, 7]
    [written] = [json.loads(path.read_text()) for path in class_folder.glob("student-03/run-*/record.json")]
    [table] = [table for table in collected.tables if table.hand_in == "student-03"]
    assert [row.speedup for row in table.rows] == [row["speedup"] for row in written["results"]["tables"]["ray"]]


def test_gaps_and_tries_are_those_of_first_predictions_and_first_right_checks(tmp_path: Path) -> None:
    said = {"kind": "prediction", "exercise": "0.a", "measured": 2.0}
    kept = [{**said, "predicted": 2.5}, {**said, "predicted": 2.0}]
    kept += [{"kind": "check", "exercise": "0.1", "state": "not_yet", "reason": "idle"}] * 2
    kept += [{"kind": "hint", "exercise": "0.1", "number": 1}]
    kept += [{"kind": "check", "exercise": "0.1", "state": state, "reason": "cores"} for state in ("right", "not_yet")]
    kept += [{"kind": "check", "exercise": "99.9", "state": "right", "reason": "right"}]
    write_folder(tmp_path / "ana", files_of([], kept))
    found = collect(tmp_path)
    [gap], [solved] = predictions_of(found), exercises_of(found)
    assert (gap.key, gap.gaps, gap.near, gap.n) == ("0.a", [0.25], 1, 1)
    assert (solved.right, solved.not_yet, solved.n_hinted, solved.tries) == (1, 0, 1, 3)
    assert solved.reasons == [("idle", 1)]
    assert found.notes == [("unknown", {"name": "ana", "keys": "99.9"})]


def test_a_run_that_two_hand_in_counts_once_and_is_told(tmp_path: Path) -> None:
    record = varied(BENCHMARK, 1)
    for name in ("ana", "luis"):
        write_zip(tmp_path / f"{name}.zip", files_of([record], None))
    found = collect(tmp_path)
    assert [table.hand_in for table in found.tables] == ["ana"]
    assert found.notes == [("copied", {"run": record["id"], "first": "ana", "second": "luis"})]


def test_other_results_from_the_same_work_are_told(tmp_path: Path) -> None:
    for seed in range(3):
        record = varied(TRAINING, seed)
        if seed == 1:
            record["results"]["digest"] = "0123456789abcdef"
        write_folder(tmp_path / f"student-{seed}", files_of([record], None))
    [(key, values)] = collect(tmp_path).notes
    assert (key, values["name"], values["n"]) == ("other_results", "student-1", 2)


@pytest.mark.parametrize("lang", ["es", "en"])
def test_the_page_needs_nothing_runs_nothing_and_names_who_was_refused(pages: dict[str, str], lang: str) -> None:
    page = pages[lang]
    assert not re.search(r"<script|\son\w+=|javascript:|@import|url\(", page, flags=re.IGNORECASE)
    assert "default-src 'none'" in page
    assert set(re.findall(r'(?:src|href)="([^"#]*)"', page)) - {""} == {
        "data:,",
        f"class.{'en' if lang == 'es' else 'es'}.html",
    }
    assert "{" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    for name in REASONS:
        assert html.escape(name, quote=False) in page
    assert "student-07" not in page  # the page may be shown to the class
    assert {"es": "30 entregas contadas, 19 rechazadas", "en": "30 hand-ins counted, 19 refused"}[lang] in page


def test_numbers_are_written_as_each_language_does(pages: dict[str, str]) -> None:
    numbers = {lang: re.findall(r'<td class="n">(\d[.,]\d\d)', page) for lang, page in pages.items()}
    assert numbers["en"] == [value.replace(",", ".") for value in numbers["es"]] != []
    assert not re.search(
        r"\d\.\d\d\b", re.sub(r"<(svg|style|p class=\"soft\").*?</(svg|style|p)>", "", pages["es"], flags=re.S)
    )


def test_a_hosts_own_words_are_text_and_no_markup(tmp_path: Path) -> None:
    write_folder(tmp_path / "ana", files_of([varied(BENCHMARK, 1, {"cpu_model": ATTACK})], None))
    page = to_html(collect(tmp_path), "en")
    assert ATTACK not in page
    assert page.count("&lt;script&gt;") >= 3  # legend, table, and the titles of the marks


def test_the_csv_has_a_line_for_everything_and_no_formula(collected: Collected, tmp_path: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(collected))))
    assert tuple(lines[0]) == HEADER
    kinds = [line["kind"] for line in lines]
    assert kinds.count("speedup") == 30 * 3 + 6 * 4 + 5 * 2
    assert kinds.count("refused") == len(REASONS)
    assert kinds.count("prediction") == len(collected.gaps)
    assert kinds.count("exercise") == len(collected.tries)
    write_folder(tmp_path / "=cmd()", files_of([varied(BENCHMARK, 1)], None))
    write_folder(tmp_path / "ana", files_of([], progress(3)))
    lines = list(csv.DictReader(io.StringIO(to_csv(collect(tmp_path)))))
    assert {line["hand_in"] for line in lines} == {"'=cmd()", "ana"}


def test_a_bomb_is_refused_before_it_is_unpacked(class_folder: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="bomb"):
            HandIn(class_folder / "bomb.zip")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_sizes_that_a_zip_lies_about_are_never_exceeded(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "liar.zip", {"progress.json": "[" + " " * 10**6 + "]"})
    content = path.read_bytes()
    path.write_bytes(content.replace((10**6 + 2).to_bytes(4, "little"), (40).to_bytes(4, "little")))
    with pytest.raises(Refused, match="corrupt"):
        HandIn(path).json("progress.json")


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as opened:
        for number in range(MAX_FILES + 1):
            opened.writestr(f"{number}.txt", "")
    with pytest.raises(Refused, match="many"):
        HandIn(tmp_path / "many.zip")


COMMANDS = (classes.cli.classes, labkit.cli.runs.runs)  # they add themselves when they are imported


def run(*arguments: str) -> str:
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def test_what_a_student_hands_in_is_what_a_class_collects(
    lab_folder: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(lab_folder.root))
    monkeypatch.setenv("LABKIT_LANG", "es")
    store_of(lab_folder.root, [BENCHMARK, TRAINING])
    kept = ProgressStore(lab_folder.database_url)
    kept.keep("0.1", "check", {"state": "right", "reason": "right"})
    kept.keep("0.a", "prediction", {"predicted": 2.5, "measured": 2.0, "gap": 0.25, "unit": "×"})
    hand_ins = tmp_path / "in"
    told = json.loads(run("class", "hand-in", str(hand_ins / "ana.zip"), "--json"))
    assert (told["runs"], told["checks"], told["predictions"]) == (2, 1, 1)
    run("runs", "export", BENCHMARK["id"], "--to", str(hand_ins / "luis" / "run-1"))
    write_class(hand_ins, 2)
    told = json.loads(run("class", "collect", str(hand_ins), "--output", str(tmp_path / "out"), "--json"))
    assert told["counted"] == ["ana", "luis", "student-00", "student-01"]
    assert told["refused"] == {}
    assert [Path(path).name for path in told["files"]] == ["class.es.html", "class.en.html", "class.csv"]
    assert any("la entregaron ana y luis" in note for note in told["notes"])
    with pytest.raises(InvalidArgument, match="exists already"):
        run("class", "hand-in", str(hand_ins / "ana.zip"))
    with pytest.raises(InvalidArgument, match="among the hand-ins"):
        run("class", "collect", str(hand_ins), "--output", str(hand_ins / "out"))


def test_a_folder_that_is_one_run_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="is empty"):
        collect(tmp_path)
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(InvalidArgument, match="is one run"):
        collect(tmp_path)
