"""What a report does with too little, too much and the wrong thing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import InvalidArgument, InvalidData, OldLayout, StorageError, UnknownName
from labkit.files.folder import LabFolder
from labkit.store.runs import RunStore
from report.build import FORMATS, compose, to_bytes, write_report
from tests.cli.conftest import shell_at
from tests.report.conftest import BENCHMARK, RECORDS, TRAINING, changed, store_of
from tests.report.pages import read_html, text_of_docx, text_of_html, text_of_pdf

HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(2)>", '#panic("typst") $x$ *a* _b_ \\ @x <label> "q" \\"',
    "{{ 7*7 }} {% raw %} {# c #} <# d #>", "**bold** `code` [a](javascript:x) ![i](y) | a | b | ::: {.own} # h\n\n## h",
    "😀🏳️‍🌈👩‍🔬 日本 \u202eright\u202c \x00\x07", "x" * 500, "x y " * 125,
    "\ue000tab-speedup\ue001 ~a~ ^b^ ==c== --- ...",
]  # fmt: skip


def test_without_runs_all_is_said_to_be_not_measured(tmp_path: Path) -> None:
    for lang, word in {"es": "No medido", "en": "Not measured"}.items():
        report = compose(RunStore(f"sqlite:///{tmp_path}/x.db", str(tmp_path / "r")), lang=lang)
        page = to_bytes(report, "html")
        text = re.sub(r"\s+", " ", text_of_html(page))
        assert text.count(word) >= 8 and "labkit bench --full" in text and "labkit train" in text
        assert not [entry for entry in report.entries if entry.source not in ("project", "labkit", "input")]
        assert to_bytes(report, "pdf")[:4] == b"%PDF" and to_bytes(report, "docx")[:2] == b"PK"


def test_a_run_that_failed_half_way_gives_its_reason_and_no_figure(tmp_path: Path) -> None:
    failed = changed(
        RECORDS[0], id="20261129-000000-dead", status="failed", results={}, events=[],
        created="2026-11-29T00:00:00+00:00", error="Ray ended: <b>#panic</b> {{x}}",
    )  # fmt: skip
    store = store_of(tmp_path, [*RECORDS, failed])
    for names in (None, [failed["id"]], [BENCHMARK, failed["id"]]):
        report = compose(store, lang="es", names=names)
        text = re.sub(r"\s+", " ", text_of_html(to_bytes(report, "html")))
        assert "fallida" in text and "Ray ended: <b>#panic</b> {{x}}" in text
        assert not [e for e in report.entries if e.source == failed["id"] and e.of[:1] == ["results"]]
        assert to_bytes(report, "pdf")


def test_runs_of_several_hosts_stand_side_by_side_and_are_never_merged(tmp_path: Path) -> None:
    other = changed(RECORDS[0], id="20261129-000000-beef")
    other["fingerprints"][0] |= {"digest": "0123456789ab", "cpu_model": "Other <b>CPU</b>"}
    report = compose(store_of(tmp_path, [*RECORDS, other]), lang="en", names=[BENCHMARK, other["id"], TRAINING])
    page = to_bytes(report, "html").decode()
    tables = re.findall(r'<div id="tab-benchmark[^"]*".*?</table>', page, re.DOTALL)
    assert len(tables) == 2
    for table, run, foreign in ((tables[0], BENCHMARK, other["id"]), (tables[1], other["id"], BENCHMARK)):
        assert run in table and foreign not in table
    text = re.sub(r"\s+", " ", text_of_html(page.encode()))
    assert "different sets of hosts" in text and "Other <b>CPU</b>" in text


@pytest.mark.parametrize("names", [HOSTILE[:3], HOSTILE[3:6], HOSTILE[6:]])
def test_whatever_a_name_holds_it_is_shown_and_does_nothing(store: RunStore, names: list[str]) -> None:
    given = dict(zip(("author", "course", "institution"), names, strict=False))
    report = compose(store, lang="es", names=[TRAINING], **given)
    page = to_bytes(report, "html")
    shown = page.partition(b"<script")[0]
    assert page.count(b"<script") == 1 and b"<img src=x" not in shown and b">49<" not in shown
    texts = [text_of_html(page), text_of_docx(to_bytes(report, "docx")), text_of_pdf(to_bytes(report, "pdf"))]
    for name in names:
        start = "".join(c for c in name if c.isalnum() and c.isascii())[:12]
        assert all(start in re.sub(r"[\W\u200b]", "", text) for text in texts)


def test_names_within_records_are_shown_and_do_nothing(tmp_path: Path) -> None:
    training = changed(RECORDS[3], id="20261129-000000-cafe")
    training["parameters"]["data"] = "s3://b/<script>alert(1)</script>|#panic()|{{7*7}}|`x`"
    training["fingerprints"][0]["cpu_model"] = "😀 " + "y" * 500
    for event in training["events"]:
        event["task"] += "|*<i>*"
    report = compose(store_of(tmp_path, [training]), lang="en")
    found = read_html(to_bytes(report, "html"))
    assert any("{{7*7}}|`x`" in shown.replace("\u200b", "") for _, shown in found.entries)
    assert all(to_bytes(report, format_) for format_ in FORMATS)


def test_what_makes_no_sense_is_refused(store: RunStore) -> None:
    with pytest.raises(InvalidArgument, match="500 characters"):
        compose(store, author="x" * 501)
    with pytest.raises(InvalidArgument, match="es or en"):
        compose(store, lang="fr")
    with pytest.raises(InvalidArgument, match="pdf, html, docx"):
        to_bytes(compose(store, names=[TRAINING]), "odt")
    with pytest.raises(UnknownName, match="No run begins"):
        compose(store, names=["1999"])
    with pytest.raises(InvalidData, match="no section"):
        compose(store, names=[TRAINING], words={"lesons": "x"})


def test_a_folder_that_cannot_be_written_is_told(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--output"):
        write_report(compose(store, names=[TRAINING]), tmp_path / "file" / "below", ["html"])


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["results"]["tables"]["ray"][0].update(watts=3.0),
        lambda r: r["results"]["tables"]["ray"][0].pop("speedup"),
        lambda r: r["results"].update(tables={"ray": []}),
        lambda r: r["results"]["laws"]["ray"][0].update(law_version=2),
        lambda r: r["fingerprints"][0].pop("digest"),
        lambda r: r.update(fingerprints=[]),
    ],
)
def test_a_record_of_a_newer_labkit_is_told_by_its_run(tmp_path: Path, change: Any) -> None:
    newer = changed(RECORDS[0])
    change(newer)
    with pytest.raises(InvalidData, match=f"{BENCHMARK} cannot be read: .*newer labkit"):
        compose(store_of(tmp_path, [newer]))


def test_a_database_of_a_newer_labkit_is_told(tmp_path: Path) -> None:
    import sqlite3

    store_of(tmp_path, RECORDS[:1])
    with sqlite3.connect(tmp_path / "lab.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(OldLayout):
        RunStore(f"sqlite:///{tmp_path}/lab.db", str(tmp_path / "runs"))


def test_a_load_test_of_the_services_is_shown_as_it_was_kept(tmp_path: Path) -> None:
    from labkit.lab import Lab, Settings
    from tests.benchmarks.serving import CONNECTIONS, keep

    lab = Lab(Settings(tmp_path / "lab"))
    lab.__dict__["models"] = type("Models", (), {"get": lambda self: type("Model", (), {"id": "m-1"})})()
    run = keep(lab, 3, {
        "echo": {"requests_per_s": 9000.4, "p99_ms": 2.25, "of_echo": 1.0},
        "labkit": {"requests_per_s": 4321.0, "p99_ms": 5.04, "of_echo": 0.48},
    })  # fmt: skip
    text = re.sub(r"\s+", " ", text_of_html(to_bytes(compose(lab.runs, lang="en"), "html")))
    assert run in text and "4321" in text and "5.0" in text and "48%" in text and str(CONNECTIONS) in text


def test_a_record_without_diagnoses_says_so(tmp_path: Path) -> None:
    older = changed(RECORDS[0], events=[])
    older["results"].pop("diagnoses")
    text = re.sub(r"\s+", " ", text_of_html(to_bytes(compose(store_of(tmp_path, [older]), lang="es"), "html")))
    assert "el registro no reparte el tiempo" in text


def test_the_command_writes_and_verifies_and_tells_of_a_tampered_report(tmp_path: Path) -> None:
    labkit = shell_at(tmp_path / "mi año" / "lab")
    LabFolder(labkit.home).ensure()
    store_of(labkit.home, RECORDS)
    said = labkit.run("report", "build", "--lang", "en", "--format", "html", "--output", str(tmp_path / "out"))
    page = tmp_path / "out" / "technical-report.html"
    assert said.strip().splitlines()[-1] == f"Report: {page}"
    assert (labkit.home / "report" / "sections" / "lessons.md").exists()
    assert "all " in labkit.run("report", "verify", str(page))
    page.write_text(page.read_text("utf-8").replace("0.711", "0.999"), "utf-8")
    assert "does not say what the records say" in labkit.run("report", "verify", str(page), status=9)
    (labkit.home / "report" / "sections" / "lessons.md").write_text("a\n```\n")
    assert "lessons.md, line 2" in labkit.run("report", "build", status=3)
    assert "pdf, html, docx" in labkit.run("report", "build", "--format", "odt", status=2)
