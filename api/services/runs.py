"""Runs: the record of everything that was trained or measured, whoever asked for it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.deps import PROBLEMS, Limit, RunId, RunsDep
from labkit.errors import InvalidArgument, UnknownName
from labkit.scaling.benchmark import rows_of
from labkit.scaling.table import rows_to_json
from labkit.store.runs import RunStore

router = APIRouter(tags=["runs"], responses=PROBLEMS)
Status = Literal["waiting", "running", "finished", "failed", "interrupted"]


class RunState(BaseModel):
    """How far a run is."""

    id: str
    kind: str = Field(examples=["training"])
    name: str
    status: Status
    progress: float = Field(description="0–1.")
    created: str = Field(description="UTC.")
    finished: str | None
    error: str | None = Field(description="Why it failed or was interrupted.")
    waits_for: str | None = Field(None, description="Whom a run that waits is waiting for.")
    parameters: dict[str, Any]


class RunRecord(RunState):
    """A run with all that it came to and where it comes from."""

    seed: int
    data_digest: str
    fingerprints: list[Any] = Field(description="One a node: hardware, packages, commit.")
    results: dict[str, Any]
    artefacts: list[str]


class Comparison(BaseModel):
    """Speedup tables of several runs side by side; runs of different sets of hosts are never merged."""

    runs: list[RunState]
    hosts: list[list[str]] = Field(description="Digest of each node's fingerprint, a list a run.")
    tables: list[dict[str, list[dict[str, Any]]]] = Field(description="Rows by engine, one a run.")
    same_digest: bool = Field(description="Whether all did the very same work.")


def shown(run: Any) -> dict[str, Any]:
    """Return what is shown of a run without its results."""
    waits_for = run.results.get("waits_for") if run.status == "waiting" else None
    return {name: getattr(run, name) for name in RunState.model_fields if name != "waits_for"} | {
        "waits_for": waits_for
    }


def record_of(runs: RunStore, run_id: str) -> RunRecord:
    """Return the whole record of a run, but for its events and for which process it belongs to."""
    record = runs.export(run_id, events=False)
    record.pop("owner")
    return RunRecord(**record)


@router.get("/runs")
def list_runs(
    runs: RunsDep,
    limit: Limit = 50,
    kind: Annotated[str | None, Query(max_length=30)] = None,
    status: Status | None = None,
) -> list[RunState]:
    """List runs of any kind, the newest first."""
    return [RunState(**shown(run)) for run in runs.list(kind, status, limit)]


@router.get("/runs/compare")
def compare_runs(
    runs: RunsDep, ids: Annotated[list[str], Query(alias="id", min_length=2, max_length=10, description="Benchmarks.")]
) -> Comparison:
    """Put the speedup tables of finished benchmarks side by side."""
    if odd := [name for name in ids if not re.fullmatch(r"[0-9a-f-]{1,64}", name)]:
        raise UnknownName(f"No run begins with {odd[0][:64]!r}.")
    found = [runs.get(name) for name in ids]
    if odd := [run.id for run in found if "tables" not in run.results]:
        raise InvalidArgument(f"Only finished benchmarks are compared; {', '.join(odd)} holds no table.")
    return Comparison(
        runs=[RunState(**shown(run)) for run in found],
        hosts=[[node["digest"] for node in run.fingerprints] for run in found],
        tables=[{name: rows_to_json(rows_of(run.results, name)) for name in run.results["tables"]} for run in found],
        same_digest=len({run.results["digest"] for run in found}) == 1,
    )


@router.get("/runs/{run_id}")
def read_run(run_id: RunId, runs: RunsDep) -> RunRecord:
    """Show a run's whole record; its task events are at `/cluster` and in the streams."""
    return record_of(runs, run_id)
