"""A whole class in figures: speedups by host, gaps between predicted and measured, and how exercises went."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from classes.reading import PROGRESS, RECORD, HandIn, Refused
from classes.records import Kept, Record, read_progress, read_record
from classes.text import course
from labkit.errors import InvalidArgument, StorageError
from labkit.scaling.table import SpeedupRow

NEAR = 0.25  # a prediction within a quarter of what was measured counts as near
TRAINING, WEAK, LATE = "training", "weak", "late"


@dataclasses.dataclass(frozen=True)
class Work:
    """What was timed; only tables of the same work stand in one chart.

    Parameters
    ----------
    kind : str
        "training", "weak" (the work grows with the workers) or "late" (shards from a late store).
    engine : str
        What ran it.
    n_rows : int
        Rows of one pass; for weak scaling, of each worker.
    data : str
        Digest of the data.
    asked : str
        Of the recipes, or the latency.
    """

    kind: str
    engine: str
    n_rows: int
    data: str
    asked: str


@dataclasses.dataclass(frozen=True)
class Table:
    """One speedup table that somebody measured; `host` is the digest of the machine, or of the machines together."""

    hand_in: str
    run: str
    work: Work
    host: str
    host_label: str
    usable_cpus: int
    physical_cores: int
    rows: list[SpeedupRow]


@dataclasses.dataclass(frozen=True)
class Gap:
    """One first prediction: `gap` is predicted over measured, minus 1; None where nothing was measured but zero."""

    hand_in: str
    key: str
    predicted: float
    measured: float
    gap: float | None


@dataclasses.dataclass(frozen=True)
class Try:
    """How one exercise went for one student; `tries` counts the checks up to the first that was right, or all."""

    hand_in: str
    key: str
    right: bool
    tries: int
    n_hints: int
    reasons: tuple[str, ...]


@dataclasses.dataclass
class Collected:
    """What a folder of hand-ins came to.

    Parameters
    ----------
    counted : list of str
        Names of the hand-ins that were counted.
    refused : list of (str, Refused)
        The others, and why.
    notes : list of (str, dict)
        What is odd and was counted all the same: the key of its text, and its values.
    """

    counted: list[str] = dataclasses.field(default_factory=list)
    refused: list[tuple[str, Refused]] = dataclasses.field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    tables: list[Table] = dataclasses.field(default_factory=list)
    gaps: list[Gap] = dataclasses.field(default_factory=list)
    tries: list[Try] = dataclasses.field(default_factory=list)
    with_progress: list[str] = dataclasses.field(default_factory=list)
    n_runs: int = 0


def collect(folder: Path, on_progress: Callable[[str, float], None] | None = None) -> Collected:
    """Read all hand-ins of a folder, one each entry; those that cannot be trusted are named and left out.

    Parameters
    ----------
    folder : Path
        Its entries are folders and zips, by the students' names, each with one or more exported runs in it, and what
        the exercises kept.
    on_progress : callable, optional
        Told what was read and how much of all, 0–1.

    Raises
    ------
    StorageError, InvalidArgument
        If the folder cannot be read, holds nothing, or is itself one hand-in.
    """
    try:
        entries = sorted(
            (path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name
        )
    except OSError as fault:
        raise StorageError(f"The folder {folder} cannot be read: {fault.strerror}.") from fault
    if (folder / RECORD).exists():
        raise InvalidArgument(f"{folder} is one run; name the folder that holds the hand-ins of all students.")
    if not entries:
        raise InvalidArgument(f"{folder} is empty: put a folder or a zip for each student into it.")
    found, results = Collected(), collections.defaultdict(list)
    seen: dict[str, str] = {}
    for number, path in enumerate(entries):
        try:
            records, tables, kept, told = _read(path)
        except Refused as fault:
            found.refused.append((path.name, fault))
            continue
        finally:
            if on_progress is not None:
                on_progress(path.name, (number + 1) / len(entries))
        name = path.stem if path.suffix.lower() == ".zip" else path.name
        if name in found.counted:
            found.refused.append((path.name, Refused("name_twice", name=name)))
            continue
        found.counted.append(name)
        for record in records:
            if (first := seen.setdefault(told[record.id], name)) != name:
                found.notes.append(("copied", {"run": record.id, "first": first, "second": name}))
                tables = [table for table in tables if table.run != record.id]
                continue
            found.n_runs += 1
            if record.results is not None and record.status == "finished" and record.results.digest:
                results[_comparable(record)].append((record.results.digest, name, record.id))
        found.tables += [dataclasses.replace(table, hand_in=name) for table in tables]
        if kept is not None:
            found.with_progress.append(name)
            found.gaps += _gaps(name, kept)
            found.tries += _tries(name, kept)
            if strange := sorted({each.exercise for each in kept} - course().keys()):
                found.notes.append(("unknown", {"name": name, "keys": ", ".join(strange[:5])}))
    found.notes += list(_odd_results(results))
    return found


def gap_of(predicted: float, measured: float) -> float | None:
    """Return how far off a prediction was, as a fraction of the measured; None where that is zero.

    Examples
    --------
    >>> gap_of(2.5, 2.0), gap_of(1.0, 0.0)
    (0.25, None)
    """
    return (predicted - measured) / abs(measured) if measured else None


def by_work(tables: Iterable[Table]) -> dict[Work, dict[str, list[Table]]]:
    """Return tables by work, what most have measured first, then by host in the order of their cores."""
    works: dict[Work, dict[str, list[Table]]] = {}
    for table in tables:
        works.setdefault(table.work, {}).setdefault(table.host, []).append(table)
    ordered = sorted(works.items(), key=lambda pair: (-sum(map(len, pair[1].values())), dataclasses.astuple(pair[0])))
    return {
        work: dict(sorted(hosts.items(), key=lambda pair: (pair[1][0].usable_cpus, pair[0]))) for work, hosts in ordered
    }


def _read(path: Path) -> tuple[list[Record], list[Table], list[Kept] | None, dict[str, str]]:
    hand_in = HandIn(path)
    try:
        files, progress = hand_in.named(RECORD), hand_in.named(PROGRESS)
        if not files and not progress:
            raise Refused("nothing")
        if len(progress) > 1:
            raise Refused("two_progress")
        hand_in.check_manifest()
        hand_in.check_notebooks()
        records, tables, told = {}, [], {}
        for file in files:
            record, found = read_record(hand_in, file)
            if record.id in records:
                raise Refused("run_twice", run=record.id)
            records[record.id], told[record.id] = record, hashlib.sha256(record.model_dump_json().encode()).hexdigest()
            tables += [_table(record, engine, rows) for engine, rows in found.items()]
        kept = read_progress(hand_in, progress[0]) if progress else None
        return list(records.values()), tables, kept, told
    finally:
        hand_in.close()


def _table(record: Record, engine: str, rows: list[SpeedupRow]) -> Table:
    asked, results = record.parameters, record.results
    assert results is not None
    kind = WEAK if asked.weak else TRAINING if asked.latency_s is None else LATE
    said = ",".join(asked.recipes or ()) if asked.latency_s is None else str(asked.latency_s)
    here, digests = record.fingerprints[0], sorted({machine.digest for machine in record.fingerprints})
    many = f" × {len(digests)}" if len(digests) > 1 else ""
    return Table(
        "", record.id, Work(kind, engine, results.n_rows, record.data_digest, said), "+".join(digests),
        here.cpu_model + many, sum(machine.usable_cpus for machine in record.fingerprints),
        sum(machine.physical_cores for machine in record.fingerprints), rows,
    )  # fmt: skip


def _comparable(record: Record) -> tuple[Any, ...]:
    """Return what decides the digest of a run's results: same work on the same processor by the same packages."""
    here, asked = record.fingerprints[0], record.parameters
    packages = tuple(sorted(here.packages.items(), key=str))
    return (
        record.kind, record.data_digest, tuple(asked.recipes or ()), asked.weak, asked.latency_s is not None,
        record.results.n_rows if record.results else 0, here.cpu_model, packages,
    )  # fmt: skip


def _odd_results(results: dict[Any, list[tuple[str, str, str]]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield a note for each result that differs from what most others got from the same work."""
    for found in results.values():
        counts = collections.Counter(digest for digest, _, _ in found).most_common()
        if len(counts) > 1 and counts[0][1] > counts[1][1]:
            for digest, name, run in found:
                if digest != counts[0][0]:
                    yield "other_results", {"name": name, "run": run, "n": counts[0][1]}


def _gaps(name: str, kept: Sequence[Kept]) -> list[Gap]:
    first: dict[str, Gap] = {}
    for each in kept:
        if each.kind == "prediction" and "quantity" in course().get(each.exercise, {}):
            assert each.predicted is not None and each.measured is not None
            gap = gap_of(each.predicted, each.measured)
            first.setdefault(each.exercise, Gap(name, each.exercise, each.predicted, each.measured, gap))
    return list(first.values())


def _tries(name: str, kept: Sequence[Kept]) -> list[Try]:
    found = []
    for key in dict.fromkeys(each.exercise for each in kept):
        if "title" not in course().get(key, {}):
            continue
        own = [each for each in kept if each.exercise == key]
        checks = [each for each in own if each.kind == "check"]
        if not checks:
            continue
        right = next((number for number, each in enumerate(checks, 1) if each.state == "right"), None)
        wrong = (each.reason for each in checks[:right] if each.state == "not_yet" and each.reason)
        hints = {each.number for each in own if each.kind == "hint"}
        found.append(Try(name, key, right is not None, right or len(checks), len(hints), tuple(dict.fromkeys(wrong))))
    return found


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What a class said of one quantity; `gap` is the median, `near` how many were off by a quarter at most."""

    key: str
    gaps: list[float]
    predicted: float
    measured: float
    gap: float | None
    near: int
    n: int


@dataclasses.dataclass(frozen=True)
class Solved:
    """How one exercise went for a class; `tries` is the median of those who got it right, `reasons` the commonest."""

    key: str
    right: int
    not_yet: int
    not_begun: int
    n_hinted: int
    tries: float | None
    reasons: list[tuple[str, int]]


def predictions_of(found: Collected) -> list[Predicted]:
    """Return what the class predicted, in the order of the course."""
    told = []
    for key, texts in course().items():
        own = [each for each in found.gaps if each.key == key]
        if "quantity" not in texts or not own:
            continue
        gaps = [each.gap for each in own if each.gap is not None]
        predicted, measured = (
            statistics.median(getattr(each, name) for each in own) for name in ("predicted", "measured")
        )
        near, gap = sum(abs(gap) <= NEAR for gap in gaps), statistics.median(gaps) if gaps else None
        told.append(Predicted(key, gaps, predicted, measured, gap, near, len(own)))
    return told


def exercises_of(found: Collected) -> list[Solved]:
    """Return how each exercise of the course went that anybody has begun."""
    told = []
    for key, texts in course().items():
        own = [each for each in found.tries if each.key == key]
        if "title" not in texts or not own:
            continue
        right = [each for each in own if each.right]
        reasons = collections.Counter(reason for each in own for reason in each.reasons)
        tries = statistics.median(each.tries for each in right) if right else None
        n_begun, n_hinted = len(own), sum(each.n_hints > 0 for each in own)
        commonest = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
        counts = (len(right), n_begun - len(right), len(found.with_progress) - n_begun, n_hinted)
        told.append(Solved(key, *counts, tries, commonest))
    return told
