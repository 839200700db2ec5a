"""Hand-ins of a class, made from real run records: other machines, other seconds, other answers, the same form."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import zipfile
from pathlib import Path
from typing import Any

from classes.records import Machine
from classes.text import course
from labkit.scaling.table import Timing, rows_to_json, tabulate

RECORDS = json.loads((Path(__file__).parents[1] / "report" / "records.json").read_text("utf-8"))
BENCHMARK, WEAK, LATE, TRAINING = RECORDS
NOTEBOOK = {"cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": []}], "metadata": {}}
# Machines as a class brings them; the seconds of the real record are stretched by what each is slower.
MACHINES = (
    {},
    {
        "cpu_model": "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz",
        "usable_cpus": 4,
        "physical_cores": 4,
        "memory_bytes": 2**33,
    },
    {
        "cpu_model": "AMD Ryzen 7 5800U with Radeon Graphics",
        "usable_cpus": 8,
        "physical_cores": 8,
        "memory_bytes": 2**34,
    },
    {"cpu_model": "Apple M2", "usable_cpus": 8, "physical_cores": 8, "memory_bytes": 2**34, "python": "3.13.1"},
)


def varied(record: dict[str, Any], seed: int, machine: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a record as another student's machine could have written it; its table follows from its timings."""
    dice, made = random.Random(seed), copy.deepcopy(record)
    made["id"] = f"20261201-{100000 + seed}-{seed:04x}"
    made["artefacts"] = ["04_speedup_tables.ipynb"]
    here = made["fingerprints"][0]
    here |= machine or {}
    here["digest"] = Machine.model_validate(here).own_digest()
    slower = dice.uniform(0.8, 2.5)
    for timed in made["results"].get("timings", []):
        helped = min(timed["n_workers"], here["physical_cores"]) / min(timed["n_workers"], 2)
        timed["seconds"] *= slower * dice.uniform(0.97, 1.05) / helped**0.9
    return tabulated(made)


def tabulated(record: dict[str, Any]) -> dict[str, Any]:
    results, here = record["results"], record["fingerprints"][0]
    if "timings" in results:
        rows = tabulate(
            [Timing(**timed) for timed in results["timings"]], engine="ray", n_rows=results["n_rows"],
            usable_cpus=here["usable_cpus"], physical_cores=here["physical_cores"], weak=record["parameters"]["weak"],
        )  # fmt: skip
        results["tables"] = {"ray": rows_to_json(rows)}
    return record


def progress(seed: int) -> list[dict[str, Any]]:
    """Return what exercises keep, as `ProgressStore.list` gives it: the better the student, the fewer tries."""
    dice, kept = random.Random(seed), []
    able = dice.uniform(0.3, 0.95)
    for key, texts in course().items():
        at = {"exercise": key, "created": "2026-12-01T10:00:00.000+00:00"}
        if int(key.split(".")[0]) > 2 + 6 * able:
            break
        if "quantity" in texts:
            measured = dice.uniform(1.2, 1.9)
            said = measured * dice.lognormvariate(0.15, 0.5)
            kept.append({**at, "kind": "prediction", "predicted": said, "measured": measured, "gap": 0.0, "unit": "×"})
            continue
        while dice.random() > able and len(kept) < 200:
            kept.append(
                {**at, "kind": "check", "state": "not_yet", "reason": dice.choice([*texts["not_yet"], "raised"])}
            )
            if dice.random() < 0.4:
                kept.append({**at, "kind": "hint", "number": 1})
        if dice.random() < 0.9:
            kept.append({**at, "kind": "check", "state": "right", "reason": "right"})
    return kept


def files_of(records: list[dict[str, Any]], kept: list[dict[str, Any]] | None) -> dict[str, str]:
    files = {} if kept is None else {"progress.json": json.dumps(kept)}
    for record in records:
        files[f"run-{record['id']}/record.json"] = json.dumps(record)
        files[f"run-{record['id']}/04_speedup_tables.ipynb"] = json.dumps(NOTEBOOK)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    return files | {"manifest.json": json.dumps({"labkit": "0.1.0", "files": digests})}


def write_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return path


def write_folder(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def write_class(folder: Path, n: int = 30) -> list[str]:
    """Write a class's hand-ins, zips and folders by turns; return the students' names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for seed in range(n):
        records = [varied(BENCHMARK, seed, MACHINES[seed % len(MACHINES)])]
        if seed % 5 == 0:
            records.append(varied(LATE, 100 + seed, MACHINES[seed % len(MACHINES)]))
        if seed % 6 == 0:
            records += [varied(WEAK, 200 + seed), varied(TRAINING, 300 + seed)]
        names.append(f"student-{seed:02}")
        files = files_of(records, progress(seed) if seed % 4 else None)
        if seed % 3:
            write_zip(folder / f"{names[-1]}.zip", files)
        else:
            write_folder(folder / names[-1], files)
    return names
