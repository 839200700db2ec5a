"""What is believed of a handed-in run: its form, and every figure that follows from another one computed anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classes.reading import HandIn, Refused
from labkit.errors import LabError
from labkit.scaling.table import SpeedupRow, Timing, tabulate

_Kind = TypeVar("_Kind", bound="_Read")
_RELATIVE = 1e-9
Short = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{0,64}$")]
Key = Annotated[str, Field(pattern=r"^\d{1,2}\.\w{1,4}$")]
Count = Annotated[int, Field(ge=1, le=65_536)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class Machine(_Read):
    """A host's fingerprint."""

    cpu_model: Short
    usable_cpus: Count
    physical_cores: Count
    python: Short
    packages: Annotated[dict[Short, Short | None], Field(max_length=30)]
    memory_bytes: Annotated[int, Field(gt=0, le=2**60)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]

    def own_digest(self) -> str:
        """Return the digest that follows from the rest, as `labkit.host.fingerprint` computes it."""
        names = ("cpu_model", "usable_cpus", "physical_cores", "python", "packages")
        alike = {name: getattr(self, name) for name in names} | {"memory_gib": round(self.memory_bytes / 2**30)}
        return hashlib.sha256(json.dumps(alike, sort_keys=True).encode()).hexdigest()[:12]


class TimedPass(_Read):
    """One timed pass over the work."""

    subject: Short
    n_workers: Count
    round: Annotated[int, Field(ge=0, le=10_000)]
    seconds: Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]
    digest: Digest
    steal_fraction: Finite = 0.0
    load_fraction: Finite = 0.0


class Parameters(_Read):
    """What a benchmark was asked for."""

    weak: bool = False
    latency_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    recipes: Annotated[list[Short], Field(max_length=200)] | None = None


class Results(_Read):
    """What a benchmark came to."""

    n_rows: Annotated[int, Field(ge=1, le=10**12)] = 1
    digest: Digest = ""
    timings: Annotated[list[TimedPass], Field(max_length=20_000)] = []
    tables: Annotated[dict[Short, list[dict[str, Any]]], Field(max_length=20)] = {}
    checks: Annotated[dict[Key, Short], Field(max_length=200)] = {}


class Record(_Read):
    """A run's record, as `labkit runs export` writes it."""

    id: Annotated[str, Field(pattern=r"^\d{8}-\d{6}-[0-9a-f]{4,8}$")]
    kind: Annotated[str, Field(pattern=r"^\w{1,40}$")]
    name: Annotated[str, Field(pattern=r"^[\w -]{1,100}$")]
    status: Annotated[str, Field(pattern=r"^\w{1,40}$")]
    data_digest: Digest
    parameters: Parameters
    fingerprints: Annotated[list[Machine], Field(min_length=1, max_length=256)]
    results: Results | None
    artefacts: Annotated[
        list[Annotated[str, Field(pattern=r"^[\w@#+ -][\w@#.+ -]{0,149}$")]], Field(max_length=500)
    ] = []


class Kept(_Read):
    """One check, hint or prediction of an exercise."""

    exercise: Key
    kind: Annotated[str, Field(pattern=r"^(check|hint|prediction)$")]
    state: Annotated[str, Field(pattern=r"^(right|not_yet)$")] | None = None
    reason: Annotated[str, Field(pattern=r"^\w{1,60}$")] | None = None
    number: Annotated[int, Field(ge=1, le=99)] | None = None
    predicted: Finite | None = None
    measured: Finite | None = None


class Progress(_Read):
    """Everything that a student's exercises have kept, the oldest first."""

    kept: Annotated[list[Kept], Field(max_length=50_000)]


def read_record(hand_in: HandIn, file: str) -> tuple[Record, dict[str, list[SpeedupRow]]]:
    """Return a run's record and its speedup tables by engine, computed anew from its timings.

    Raises
    ------
    Refused
        If it is no record, or says something else than what follows from its own figures.
    """
    record = _validated(Record, hand_in.json(file), file)
    for machine in record.fingerprints:
        if machine.own_digest() != machine.digest:
            raise Refused("fingerprint", file=file, digest=machine.digest)
    found, here = record.results, record.fingerprints[0]
    if record.status != "finished" or found is None or not found.tables:
        return record, {}
    weak = record.parameters.weak
    if not found.timings or found.digest != found.timings[0].digest:
        raise Refused("results", file=file)
    timings = [Timing(**timed.model_dump()) for timed in found.timings]
    tables = {}
    for engine, written in found.tables.items():
        try:
            rows = tabulate(
                timings, engine=engine, n_rows=found.n_rows, weak=weak, usable_cpus=here.usable_cpus,
                physical_cores=min(here.physical_cores, here.usable_cpus),
            )  # fmt: skip
        except (LabError, ArithmeticError) as fault:  # another digest in a row, a pass twice, no baseline
            raise Refused("results", file=file) from fault
        if not _same(rows, written):
            raise Refused("table", file=file)
        tables[engine] = rows
    return record, tables


def read_progress(hand_in: HandIn, file: str) -> list[Kept]:
    """Return what a student's exercises have kept.

    Raises
    ------
    Refused
        If it is no such file, or a kept entry lacks what it needs.
    """
    kept = _validated(Progress, {"kept": hand_in.json(file)}, file).kept
    needed = {"check": ("state",), "hint": ("number",), "prediction": ("predicted", "measured")}
    if any(getattr(each, name) is None for each in kept for name in needed[each.kind]):
        raise Refused("corrupt", file=file)
    return kept


def _validated(kind: type[_Kind], content: Any, file: str) -> _Kind:
    try:
        return kind.model_validate(content)
    except ValidationError as fault:
        place = ".".join(map(str, fault.errors()[0]["loc"]))
        raise Refused("form", file=file, place=place[:80]) from fault


def _same(rows: Sequence[SpeedupRow], written: Sequence[dict[str, Any]]) -> bool:
    """Tell whether a written table says what its timings say."""
    if [row.n_workers for row in rows] != [each.get("n_workers") for each in written]:
        return False
    for row, each in zip(rows, written, strict=True):
        for name in ("sequential_s", "parallel_s", "speedup", "efficiency"):
            told, right = each.get(name), getattr(row, name)
            if not isinstance(told, int | float) or abs(told - right) > _RELATIVE * abs(right):
                return False
    return True
