"""Which runs a report is written from, and whether they can be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from labkit.errors import InvalidData
from labkit.scaling.benchmark import diagnoses_of, laws_of, rows_of
from labkit.store.runs import RunStore

ROLES = ("benchmark", "weak", "latency", "training", "serving")
Record = dict[str, Any]
_LOOKED_AT = 500


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The records of a report.

    Parameters
    ----------
    runs : dict of str to list of dict
        Whole records by role: "benchmark" (strong scaling), "weak", "latency", "training", "serving"; the first of each
        role is the one that the text speaks of, all are tabulated, side by side.
    broken : list of dict
        Runs that were asked for, or are newer than what was taken, and hold nothing to show: they failed, were
        interrupted, or go on.
    """

    runs: dict[str, list[Record]]
    broken: list[Record]

    def first(self, role: str) -> Record | None:
        """Return the record that the text speaks of; None where there is none."""
        return next(iter(self.runs.get(role, [])), None)

    def all(self) -> list[Record]:
        """Return every record, in the order of the roles; those without results last."""
        return [record for role in ROLES for record in self.runs.get(role, [])] + self.broken


def role_of(kind: str, results: dict[str, Any], parameters: dict[str, Any]) -> str | None:
    """Return what a run is evidence of; None where it is of nothing that a report shows."""
    if "tables" in results:
        asked = {**parameters, **results.get("parameters", {})}
        if asked.get("injected_latency_s", asked.get("latency_s")) is not None:
            return "latency"
        return "weak" if asked.get("scaling") == "weak" or asked.get("weak") else "benchmark"
    if kind == "training" and "scores" in results:
        return "training"
    return "serving" if kind == "serving" and "served" in results else None


def collect(store: RunStore, names: Sequence[str] | None = None) -> Evidence:
    """Return the records of the runs that are named, or of the newest of each role.

    Raises
    ------
    UnknownName
        If a run is not there.
    InvalidData
        If a record was written by a newer labkit, or damaged.
    """
    runs: dict[str, list[Record]] = {}
    broken: list[Record] = []
    listed = [store.get(name) for name in names] if names else store.list(limit=_LOOKED_AT)
    for run in {run.id: run for run in listed}.values():
        role = role_of(run.kind, run.results or {}, run.parameters)
        if role is None or run.status != "finished":
            wanted = names is not None or (run.kind in ("benchmark", "training") and not runs)
            if wanted and run.kind != "notebook":
                broken.append(plain(store.export(run.id, events=False)))
        elif names or role not in runs:
            record = plain(store.export(run.id))
            check(record, role)
            runs.setdefault(role, []).append(record)
    return Evidence(runs, broken[:5])


def names_beside(store: RunStore, run: str) -> list[str]:
    """Return a run and the newest finished one of each other role, to report on it with what else was measured."""
    found = store.get(run)
    own = role_of(found.kind, found.results or {}, found.parameters)
    others = collect(store).runs
    return [
        found.id,
        *(records[0]["id"] for role, records in others.items() if role != own and records[0]["id"] != found.id),
    ]


def plain(record: Record) -> Record:
    """Return a record without what only its process needs."""
    return {name: value for name, value in record.items() if name != "owner"}


def check(record: Record, role: str) -> None:
    """Make sure that a record can be read by this labkit.

    Raises
    ------
    InvalidData
        If it cannot; the message says what in it is at fault.
    """
    results = record["results"]
    try:
        for engine in results.get("tables", {}):
            if not rows_of(results, engine):
                raise ValueError("a table without rows")
            laws_of(results, engine)
            diagnoses_of(results, engine)
        host = record["fingerprints"][0] if role != "serving" else {"digest": "", "usable_cpus": 1, "cpu_model": ""}
        _ = host["digest"], host["usable_cpus"], host["cpu_model"], record["created"]
        if role == "training":
            _ = results["scores"]["roc_auc"], results["weights"]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as fault:
        raise InvalidData(
            f"The record of run {record['id']} cannot be read: {type(fault).__name__}: {fault}. A newer labkit wrote"
            " it, or it was changed by hand: bring this clone up to date, or choose other runs by --runs."
        ) from fault
