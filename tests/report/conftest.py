"""A lab of real records: a benchmark, weak scaling, work that waits and a training, measured on a busy machine."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from labkit.store.database import EventRow, RunRow, open_database, writing
from labkit.store.runs import RunStore
from report.build import Report, compose, to_bytes

RECORDS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("records.json").read_text("utf-8"))
BENCHMARK, WEAK, LATENCY, TRAINING = (record["id"] for record in RECORDS)
WORDS = {"introduction": "Mis *propias* palabras.\n\n- una\n- dos\n", "lessons": "Aprendí **mucho**."}


def store_of(folder: Path, records: Iterable[dict[str, Any]]) -> RunStore:
    """Return a store that holds records as they were written."""
    url = f"sqlite:///{folder}/lab.db"
    store = RunStore(url, str(folder / "runs"))
    keep(url, records)
    return store


def keep(url: str, records: Iterable[dict[str, Any]]) -> None:
    """Keep records in a database, as they were written elsewhere."""
    with writing(open_database(url)) as session:
        for record in records:
            kept = {name: value for name, value in record.items() if name not in ("events", "artefacts", "owner")}
            session.add(RunRow(**kept, owner={}))
            session.flush()
            session.add_all(EventRow(run_id=record["id"], content=event) for event in record["events"])


def changed(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a copy of a record with other fields."""
    return {**copy.deepcopy(record), **changes}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return store_of(tmp_path_factory.mktemp("records"), RECORDS)


@pytest.fixture(scope="session")
def reports(store: RunStore) -> dict[str, Report]:
    return {lang: compose(store, lang=lang, author="Ana García", words=WORDS) for lang in ("es", "en")}


@pytest.fixture(scope="session")
def content(reports: dict[str, Report]) -> Callable[[str, str], bytes]:
    """Return the bytes of a report, each made once."""
    made: dict[tuple[str, str], bytes] = {}

    def bytes_of(lang: str, format_: str) -> bytes:
        if (lang, format_) not in made:
            made[lang, format_] = to_bytes(reports[lang], format_)
        return made[lang, format_]

    return bytes_of
