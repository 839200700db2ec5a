"""What the READMEs say was measured is what the kept record says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def measured() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measured", ROOT / "docs" / "measured.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_readme_shows_the_kept_record(measured: ModuleType, lang: str) -> None:
    record = json.loads(measured.RECORD.read_text())
    text = measured.READMES[lang].read_text()
    assert measured.section(record, lang) in text
    assert f"docs/measured.{lang}.svg" in text and (ROOT / "docs" / f"measured.{lang}.svg").stat().st_size > 1000


def test_the_record_is_a_finished_benchmark_with_one_digest(measured: ModuleType) -> None:
    record = json.loads(measured.RECORD.read_text())
    assert record["status"] == "finished" and record["fingerprints"][0]["commit"]
    assert {timing["digest"] for timing in record["results"]["timings"]} == {record["results"]["digest"]}
