"""The report of a benchmark, asked for by the services."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from labkit.lab import Lab
from tests.api.test_guard import told
from tests.report.conftest import BENCHMARK, RECORDS, keep


@pytest.fixture(scope="module")
def measured(lab: Lab) -> str:
    """A benchmark that was measured elsewhere, in this lab."""
    keep(lab.folder.database_url, RECORDS[:1])
    return BENCHMARK


@pytest.mark.parametrize(
    ("format_", "lang", "begins", "name"),
    [("pdf", "es", b"%PDF-", "informe-tecnico.pdf"), ("html", "en", b"<!DOCTYPE html>", "technical-report.html"),
     ("docx", "es", b"PK", "informe-tecnico.docx")],
)  # fmt: skip
def test_a_report_comes_in_the_format_and_language_that_were_asked_for(
    client: TestClient, measured: str, format_: str, lang: str, begins: bytes, name: str
) -> None:
    answer = client.post(f"/benchmark/{measured}/report", params={"format": format_, "lang": lang, "author": "<b>Ana"})
    assert answer.status_code == 200 and answer.content.startswith(begins)
    assert name in answer.headers["content-disposition"] and "sandbox" in answer.headers["content-security-policy"]
    if format_ == "html":
        assert measured in answer.text and "<b>Ana" not in answer.text.partition("<script")[0]


def test_only_who_may_operate_asks_for_a_report(client_with: Callable[..., TestClient], measured: str) -> None:
    assert told(client_with("read").post(f"/benchmark/{measured}/report")) == (403, "wrong-scope")


@pytest.mark.parametrize("asked", [{"format": "odt"}, {"lang": "fr"}, {"author": "x" * 501}])
def test_a_report_that_makes_no_sense_is_refused(client: TestClient, measured: str, asked: dict[str, str]) -> None:
    assert told(client.post(f"/benchmark/{measured}/report", params=asked)) == (422, "invalid-request")


def test_a_run_that_is_no_benchmark_has_no_report_of_its_own(client: TestClient, lab: Lab) -> None:
    training = lab.runs.list("training")[0].id
    assert told(client.post(f"/benchmark/{training}/report")) == (404, "unknown-name")
