"""Reference runs are records of measured runs, whole and untouched; 04 and 10 show all that there are. Some 2 s."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jupytext
import pytest

import labkit
import labkit.classroom.text
from labkit.runner import ROOT
from labkit.scaling.protocol import Timing
from labkit.scaling.table import rows_to_json, tabulate

FOLDER = ROOT / "notebooks" / "reference_runs"
RECORDS = sorted(FOLDER.glob("*.json"))
SHAPE = {
    "id", "kind", "name", "status", "parameters", "seed", "data_digest", "fingerprints", "owner", "progress", "created",
    "finished", "error", "results", "artefacts", "events",
}  # fmt: skip


def cell_of(name: str) -> str:
    """Return the code that shows the reference runs."""
    cells = jupytext.read(ROOT / "notebooks" / "src" / f"{name}.py", fmt="py:percent").cells
    [found] = [cell.source for cell in cells if cell.cell_type == "code" and "reference_runs" in cell.source]
    return str(found)


def test_there_is_one() -> None:
    assert RECORDS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_reference_run_is_a_whole_record_of_a_measured_run(path: Path) -> None:
    assert path.stat().st_size < 100_000
    record = json.loads(path.read_text("utf-8"))
    assert set(record) == SHAPE and record["status"] == "finished" and record["progress"] == 1.0
    [machine], results = record["fingerprints"], record["results"]
    assert path.stem.split("-")[0] == machine["digest"]
    rounds = record["parameters"]["rounds"]
    assert rounds >= 6  # from there on a spread is an interval
    timings = [Timing(**timing) for timing in results["timings"]]
    assert {timing.digest for timing in timings} == {results["digest"]}
    for measured in {(timing.subject, timing.n_workers) for timing in timings}:
        taken = [each.round for each in timings if (each.subject, each.n_workers) == measured]
        assert sorted(taken) == list(range(rounds + 1))  # the first warms up
    cpus, cores = machine["usable_cpus"], machine["physical_cores"]
    for engine, table in results["tables"].items():
        anew = tabulate(timings, engine=engine, n_rows=results["n_rows"], usable_cpus=cpus, physical_cores=cores)
        assert json.loads(json.dumps(rows_to_json(anew))) == table  # ratios, intervals, limits and marks
        assert [row.n_workers for row in anew] == record["parameters"]["workers"]
    tasks = {event["task"] for event in record["events"]}
    assert tasks and all(
        event["submitted_s"] <= event["finished_s"] <= event["received_s"] for event in record["events"]
    )


@pytest.mark.parametrize("name", ["04_speedup_tables", "10_scaling_out"])
@pytest.mark.parametrize("lang", ["en", "es"])
def test_every_file_is_shown_and_a_further_one_needs_no_code(tmp_path: Path, name: str, lang: str) -> None:
    folder = tmp_path / "notebooks" / "reference_runs"
    folder.mkdir(parents=True)
    for path in RECORDS:
        (folder / path.name).write_bytes(path.read_bytes())
    further: dict[str, Any] = json.loads(RECORDS[0].read_text("utf-8"))
    further["id"] = "another-run"
    (folder / "another.json").write_text(json.dumps(further))
    shown: list[str] = []
    cells = {
        "json": json, "labkit": labkit, "ROOT": tmp_path, "lang": lang, "t": labkit.classroom.text.t,
        "number": labkit.classroom.text.number, "Markdown": str, "display": shown.append,
    }  # fmt: skip
    exec(cell_of(name), cells)
    said = "\n".join(shown)
    ids = [json.loads(path.read_text("utf-8"))["id"] for path in RECORDS]
    assert all(run in said for run in [*ids, "another-run"])
    assert sum("\n| ---" in text for text in shown) == len(RECORDS) + 1  # a table each, none merged
    larger = any(each["fingerprints"][0]["physical_cores"] >= 16 for each in cells["references"])
    assert ("16" in said.splitlines()[-1]) is not larger
