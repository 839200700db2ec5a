"""A report that was changed, or whose records were, is told."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.errors import InvalidData, StorageError
from labkit.store.runs import RunStore
from report.verify import manifest_of, verify
from tests.report.conftest import BENCHMARK, RECORDS, store_of

Content = Callable[[str, str], bytes]
MANIFEST = b'<!DOCTYPE html><script type="application/json" id="labkit-report">%s</script>'


@pytest.mark.parametrize(("lang", "format_"), [("es", "pdf"), ("es", "html"), ("en", "docx")])
def test_a_report_is_what_the_records_give(
    store: RunStore, content: Content, tmp_path: Path, lang: str, format_: str
) -> None:
    path = tmp_path / "any name"
    path.write_bytes(content(lang, format_))
    found = verify(store, path)
    assert found.faults == [] and found.n_numbers > 400
    assert any("introduction" in note for note in found.notes)  # the author's words are nobody's measurement


def changes(page: str) -> dict[str, str]:
    number = re.search(r'data-e="(\d+)"[^>]*>(\d+,\d\d)<', page)
    assert number is not None
    return {
        "a number of the text": page.replace(number[0], number[0].replace(number[2], "9,99"), 1),
        "a sentence": page.replace("no se puede afirmar", "se puede afirmar", 1),
        "a heading": page.replace("Conclusiones", "Triunfos"),
        "a picture": page.replace("data:image/svg+xml;base64,P", "data:image/svg+xml;base64,Q", 1),
        "an author": page.replace("Ana García", "Eva García", 1),
    }


@pytest.mark.parametrize("what", ["a number of the text", "a sentence", "a heading", "a picture", "an author"])
def test_a_page_that_was_changed_is_told(store: RunStore, content: Content, tmp_path: Path, what: str) -> None:
    page = content("es", "html").decode()
    forged = changes(page)[what]
    assert forged != page
    (tmp_path / "x.html").write_text(forged, "utf-8")
    assert verify(store, tmp_path / "x.html").faults


def test_a_number_that_was_changed_in_text_and_manifest_is_told_by_its_record(
    store: RunStore, content: Content, tmp_path: Path
) -> None:
    page = content("es", "html").decode()
    manifest = manifest_of(page.encode(), "html", tmp_path)
    place = next(n for n, entry in enumerate(manifest["entries"]) if entry[2][-1:] == ["speedup"])
    shown = manifest["entries"][place][5]
    forged = page.replace(f'"number",2,"{shown}"]', '"number",2,"9,99"]')
    forged = re.sub(rf'(data-e="{place}"[^>]*>){shown}<', r"\g<1>9,99<", forged)
    (tmp_path / "x.html").write_text(forged, "utf-8")
    found = verify(store, tmp_path / "x.html")
    assert any(f"number {place} is '9,99'" in fault and BENCHMARK in fault for fault in found.faults)


def test_a_record_that_was_changed_since_is_told(content: Content, tmp_path: Path) -> None:
    records = copy.deepcopy(RECORDS)
    records[0]["results"]["tables"]["ray"][1]["speedup"] *= 2
    (tmp_path / "x.html").write_bytes(content("es", "html"))
    found = verify(store_of(tmp_path, records), tmp_path / "x.html")
    assert any("results/tables/ray/1/speedup" in fault for fault in found.faults)


def test_runs_that_are_not_in_this_lab_are_told(content: Content, tmp_path: Path) -> None:
    (tmp_path / "x.html").write_bytes(content("es", "html"))
    assert "not in this lab" in verify(store_of(tmp_path, RECORDS[1:]), tmp_path / "x.html").faults[0]


def test_a_word_document_that_was_changed_is_told(store: RunStore, content: Content, tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content("es", "docx"))) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "word/document.xml":
                assert b"Conclusiones" in part
                part = part.replace(b"Conclusiones", b"Triunfos")
            new.writestr(name, part)
    (tmp_path / "x.docx").write_bytes(made.getvalue())
    assert any("Triunfos" in fault for fault in verify(store, tmp_path / "x.docx").faults)


@pytest.mark.parametrize(
    ("content_", "reason"),
    [
        (b"", "no report"), (b"%PDF-1.7 nothing", "no manifest"), (b"PK\x03\x04 nothing", "no manifest"),
        (b"<!DOCTYPE html><p>x", "no manifest"), (b"hello", "no report"),
        (MANIFEST % b'{"labkit-report": 99}', "schema 99"),
        (MANIFEST % b'{"labkit-report": 1}', "lacks lang"),
        (MANIFEST % b"[1]", "no manifest"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_told(store: RunStore, tmp_path: Path, content_: bytes, reason: str) -> None:
    (tmp_path / "x").write_bytes(content_)
    with pytest.raises(InvalidData, match=reason):
        verify(store, tmp_path / "x")


def test_a_pdf_that_was_cut_short_and_a_file_that_is_not_there_are_told(
    store: RunStore, content: Content, tmp_path: Path
) -> None:
    (tmp_path / "x.pdf").write_bytes(content("es", "pdf")[:-2000])
    with contextlib.suppress(InvalidData):
        assert verify(store, tmp_path / "x.pdf").faults
    with pytest.raises(StorageError, match="cannot be read"):
        verify(store, tmp_path / "none.pdf")


def test_a_report_of_other_tools_has_its_numbers_compared_and_says_so(
    store: RunStore, content: Content, tmp_path: Path
) -> None:
    page = content("es", "html").decode()
    tools = json.dumps(manifest_of(page.encode(), "html", tmp_path)["tools"]["pandoc"])
    (tmp_path / "x.html").write_text(page.replace(f'"pandoc":{tools}', '"pandoc":"1.0"', 1), "utf-8")
    found = verify(store, tmp_path / "x.html")
    assert found.faults == [] and any("pandoc 1.0" in note for note in found.notes)
