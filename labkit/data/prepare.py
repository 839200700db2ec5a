"""From the flights, or a user's own file, to shards on disk, once: load, split, scale up, plan, write."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from labkit.data import own
from labkit.data.features import Encoder
from labkit.data.flights import N_DAYS, clean, count_cancelled, load_flights
from labkit.data.scale import bootstrap_days, check_scale
from labkit.data.schema import SCHEMA_VERSION
from labkit.data.shards import PLANS, Shard, write_shard
from labkit.data.source import collect, open_source
from labkit.data.split import Block, DaySplit, split_days, split_in_order
from labkit.errors import InvalidArgument, InvalidData, NotEnoughDisk, NotEnoughMemory, StorageError, UnknownName
from labkit.files.urls import fetch_url, shown_url
from labkit.files.whole import scratch_folder, whole_folder, write_whole
from labkit.host import available_memory_bytes

SEED = 2013
_ROWS_A_DAY = 1_000  # 897 on average
_MEMORY_BYTES = 250_000_000  # to read the source, however few of its days are asked for
_MEMORY_BYTES_A_ROW = 1_000  # while the tables are joined
_DISK_BYTES_A_ROW = 50  # as Parquet: 30 in large shards, more in small ones
_OWN_MEMORY_BYTES = 600_000_000  # batches on their way through Polars, however long the file
_OWN_VERSION = 1  # raise it with any change of how a user's own rows are read or stored
_MANIFEST = "manifest.json"
_PARTS = ("train", "valid", "test")

Progress = Callable[[str, float], None]


class _Way(NamedTuple):
    """How days are drawn and grouped."""

    scale: int
    n_shards: int
    seed: int
    plan: str


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Rows that are ready to be processed: flights, or a user's own.

    Parameters
    ----------
    key : str
        Name of its folder: says how it was prepared.
    digest : str
        SHA-256 of all its shards and its encoder, in hexadecimal.
    scale : int
        Years of training days.
    synthetic : bool
        True where training days were drawn, not only taken.
    n_days : int
        Source days, before they were split and scaled; of own data without a time column, groups of rows.
    n_cancelled : int
        Flights of these days that were left out, cancelled or diverted; own rows left out for lack of a target or time.
    train : tuple of Shard
        Shards of the training days.
    valid, test : Shard
        Real days that are in no training shard.
    encoder : Encoder
        Fitted on the training days.
    schema_version : int
        Of `labkit.data.schema`.
    origin : dict
        Of own data what was asked for; empty for flights.
    summary : tuple of str
        Of own data what was found, for people.
    """

    key: str
    digest: str
    scale: int
    synthetic: bool
    n_days: int
    n_cancelled: int
    train: tuple[Shard, ...]
    valid: Shard
    test: Shard
    encoder: Encoder
    schema_version: int
    origin: dict[str, Any] = dataclasses.field(default_factory=dict)
    summary: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Training rows."""
        return sum(shard.n_rows for shard in self.train)


def prepare(
    folder: Path,
    *,
    days: int | None = None,
    scale: int = 1,
    n_shards: int = 8,
    seed: int = SEED,
    plan: str = "balanced",
    on_progress: Progress | None = None,
) -> Dataset:
    """Prepare the flights in a folder, or load them where that was done before.

    Parameters
    ----------
    folder : Path
        Holds one folder for each way of preparing; what is there is whole, even if this is interrupted.
    days : int, optional
        Source days, 3 to 365, spread evenly over the year; all by default.
    scale : int
        Years of training days, 1 to 1000; from 2 on they are drawn and the dataset is synthetic.
    n_shards : int
        Shards of each year, at least 1; no more are made than there are training days.
    seed : int
        Of the split and the draws.
    plan : {"balanced", "contiguous", "round-robin", "hashed", "skewed"}
        How days are grouped into shards; those that stay empty are not written.
    on_progress : callable, optional
        Called with what is being done and the share done, 0–1.

    Raises
    ------
    InvalidArgument
        If an argument makes no sense.
    NotEnoughMemory, NotEnoughDisk
        If this machine is too small for it; nothing has been written then.
    StorageError
        If the folder cannot be written.
    """
    way = _checked(scale, n_shards, seed, plan)
    n_days = N_DAYS if days is None else days
    if isinstance(n_days, bool) or not isinstance(n_days, int) or not 3 <= n_days <= N_DAYS:
        raise InvalidArgument(f"Training, validation and test need 3 to {N_DAYS} days in all, not {days!r}.")
    key = f"flights-v{SCHEMA_VERSION}-days{n_days}-scale{scale}-shards{n_shards}-{plan}-seed{seed}"
    tell = on_progress or (lambda *_: None)
    try:
        return load(folder, key)
    except (UnknownName, InvalidData):  # not there yet, or no longer whole
        pass
    n_rows = n_days * _ROWS_A_DAY
    _check_room(folder, _MEMORY_BYTES + n_rows * _MEMORY_BYTES_A_ROW, n_rows * scale * _DISK_BYTES_A_ROW, scale)
    shutil.rmtree(folder / key, ignore_errors=True)
    tell("load the flights", 0.0)
    with whole_folder(folder / key) as whole:
        manifest = _write(whole, n_days, way, tell)
        write_whole(whole / _MANIFEST, json.dumps({"key": key, **manifest}, indent=1))
    tell("ready", 1.0)
    return load(folder, key)


def prepare_own(
    folder: Path,
    url: str,
    target: str,
    *,
    time_column: str | None = None,
    types: Mapping[str, str] | None = None,
    scale: int = 1,
    n_shards: int = 8,
    seed: int = SEED,
    plan: str = "balanced",
    on_summary: Callable[[Sequence[str]], None] | None = None,
    on_progress: Progress | None = None,
) -> Dataset:
    """Prepare a user's own CSV or Parquet in a folder, or load it where the same bytes were prepared before.

    Parameters
    ----------
    folder : Path
        As for `prepare`; takes also, for the time of this, a copy of what lies elsewhere.
    url : str
        A path, or any URL that fsspec opens.
    target, time_column, types
        As for `labkit.data.own.inspect`.
    scale, n_shards, seed, plan, on_progress
        As for `prepare`. Without a time column blocks are not days but 1,000 groups of rows, hashed by their features.
    on_summary : callable, optional
        Told what was found, in lines, before the work starts.

    Raises
    ------
    InvalidArgument
        If an argument makes no sense, or names a column that is not there.
    InvalidData
        If the file cannot be read to its end, or its columns cannot be used.
    NotEnoughMemory, NotEnoughDisk
        If this machine is too small for it.
    StorageError
        If the source cannot be fetched or the folder cannot be written.

    Notes
    -----
    The source is read in batches. What is whole in memory at a time is one shard, or all rows where they are few.
    """
    way = _checked(scale, n_shards, seed, plan)
    tell, asked = (
        on_progress or (lambda *_: None),
        {"target": target, "time_column": time_column, "types": {**(types or {})}},
    )
    with scratch_folder(folder) as scratch:
        tell("fetch the source", 0.0)
        path = fetch_url(url, scratch)
        with path.open("rb") as file:
            source_digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = hashlib.sha256(json.dumps([source_digest, asked], sort_keys=True).encode()).hexdigest()[:12]
        key = f"own-v{_OWN_VERSION}-{name}-scale{scale}-shards{n_shards}-{plan}-seed{seed}"
        try:
            dataset = load(folder, key)
            (on_summary or len)(dataset.summary)
            return dataset
        except (UnknownName, InvalidData):  # not there yet, or no longer whole
            shutil.rmtree(folder / key, ignore_errors=True)
        _check_room(folder, _OWN_MEMORY_BYTES, path.stat().st_size * (2 + scale), scale)
        tell("look at the columns", 0.0)
        found = own.inspect(open_source(path, scratch), target, time_column, types)
        found.check()
        n_bytes = found.n_used * sum(32 if type_ == "category" else 8 for _, type_, _ in found.table.columns)
        memory = _OWN_MEMORY_BYTES + 4 * n_bytes // n_shards
        summary = [*found.summary(), f"Memory: about {memory / 1e9:.1f} GB to prepare, in {n_shards} shards"]
        (on_summary or len)(summary)
        _check_room(folder, memory, 0, scale)
        tell("read the rows", 0.0)
        found.rows().sink_parquet(typed := scratch / "typed.parquet", compression="lz4", engine="streaming")
        with whole_folder(folder / key) as whole:
            manifest = _write_own(whole, found.table, pl.scan_parquet(typed, glob=False), way, tell)
            manifest["summary"] = [*summary, *manifest["summary"]]
            manifest |= {
                "key": key,
                "n_cancelled": found.n_rows - found.n_used,
                "origin": {"data": shown_url(url), **asked},
            }
            write_whole(whole / _MANIFEST, json.dumps(manifest, indent=1))
    tell("ready", 1.0)
    return load(folder, key)


def load(folder: Path, key: str) -> Dataset:
    """Load what was prepared; shards are only looked at from outside, `read_shard` checks their content.

    Raises
    ------
    UnknownName
        If nothing was prepared under this key.
    InvalidData
        If something of it is missing or was changed.
    """
    place = folder.absolute() / key
    try:
        manifest = json.loads((place / _MANIFEST).read_text("utf-8"))
        train, valid, test = ([_located(place, found) for found in manifest.pop(name)] for name in _PARTS)
        encoder = Encoder.from_json(manifest.pop("encoder"))
        manifest["summary"] = tuple(manifest.get("summary", ()))
        dataset = Dataset(**manifest, train=tuple(train), valid=valid[0], test=test[0], encoder=encoder)
    except FileNotFoundError:
        raise UnknownName(f"Nothing is prepared in {place}: run `labkit data prepare`.") from None
    except (ValueError, TypeError, LookupError, AttributeError) as fault:
        raise InvalidData(f"{place / _MANIFEST} is not what labkit wrote ({fault}): prepare the data again.") from fault
    except OSError as fault:
        raise StorageError(f"{place} cannot be read ({fault}): check the rights of the folder.") from fault
    for shard in (*dataset.train, dataset.valid, dataset.test):
        path = Path(shard.url)
        if not path.is_file() or path.stat().st_size != shard.n_bytes:
            raise InvalidData(f"The shard {path} is missing or was cut short: prepare the data again.")
    return dataset


def _write(place: Path, n_days: int, way: _Way, tell: Progress) -> dict[str, Any]:
    """Write all shards of the flights and return the manifest."""
    flights = load_flights(n_days)
    rows_by_day = dict(flights.group_by("day").len().sort("day").iter_rows())
    split = split_days(list(rows_by_day), way.seed)

    def take(draws: Sequence[tuple[date, int]]) -> pl.DataFrame:
        days = pl.DataFrame(draws, schema={"day": pl.Date, "draw": pl.Int32}, orient="row")
        return days.join(flights.drop("draw"), on="day", maintain_order="left_right").select(flights.columns)

    encoder = Encoder.fit(clean(flights.filter(pl.col("day").is_in(split.train))))
    manifest = _write_shards(place, split, rows_by_day, take, encoder, way, tell)
    return {**manifest, "n_days": n_days, "n_cancelled": count_cancelled(n_days), "schema_version": SCHEMA_VERSION}


def _write_own(place: Path, table: own.Table, typed: pl.LazyFrame, way: _Way, tell: Progress) -> dict[str, Any]:
    """Write all shards of a user's own rows, one at a time in memory, and return the manifest."""
    counted = collect(typed.group_by(own.BLOCK, own.LABEL).len()).sort(own.BLOCK)
    rows_by_block = dict(counted.group_by(own.BLOCK, maintain_order=True).agg(pl.sum("len")).iter_rows())
    if len(rows_by_block) < 3:
        what = f"days of {table.time_column}" if table.time_column else "rows that differ in their features"
        raise InvalidData(
            f"Training, validation and test need 3 {what}, there are {len(rows_by_block)}: give more rows."
        )
    split = split_in_order(list(rows_by_block)) if table.time_column else split_days(list(rows_by_block), way.seed)
    for part in _PARTS:
        labels = counted.filter(pl.col(own.BLOCK).is_in(getattr(split, part)))[own.LABEL].unique()
        if len(labels) < 2:
            raise InvalidData(
                f"The {part} rows are all {labels[0]!r}, which nothing can be learnt from: give more rows."
            )

    def take(draws: Sequence[tuple[Any, int]]) -> pl.DataFrame:
        drawn = pl.DataFrame(draws, schema={own.BLOCK: counted.schema[own.BLOCK], own.DRAW: pl.Int32}, orient="row")
        rows = collect(typed.filter(pl.col(own.BLOCK).is_in(drawn[own.BLOCK].implode())))
        return drawn.join(rows, on=own.BLOCK, maintain_order="left_right").rename({own.LABEL: table.target})

    encoder, notes = own.fit_encoder(table, typed.filter(pl.col(own.BLOCK).is_in(list(split.train))))
    manifest = _write_shards(place, split, rows_by_block, take, encoder, way, tell)
    return {**manifest, "n_days": len(rows_by_block), "schema_version": _OWN_VERSION, "summary": notes}


def _write_shards(
    place: Path, split: DaySplit[Block], rows_by_day: Mapping[Block, int], take: Callable[[Any], pl.DataFrame],
    encoder: Encoder, way: _Way, tell: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Write the rows that `take` returns for drawn days as shards; return what the manifest says of any data."""
    n_all = 2 + way.scale * min(way.n_shards, len(split.train))
    manifest: dict[str, Any] = {name: [] for name in _PARTS}
    for number, (part, draws) in enumerate(_groups(split, rows_by_day, way)):
        tell(f"write shard {number + 1} of {n_all}", number / n_all)
        name = f"{part}-{len(manifest[part]):05d}.parquet"
        manifest[part].append({**dataclasses.asdict(write_shard(take(draws), str(place / name))), "url": name})
    text = encoder.to_json()
    digests: list[str] = [shard["digest"] for part in _PARTS for shard in manifest[part]]
    digest = hashlib.sha256("\n".join([*digests, text]).encode()).hexdigest()
    return {**manifest, "encoder": text, "digest": digest, "scale": way.scale, "synthetic": way.scale > 1}


def _groups(
    split: DaySplit[Block], rows_by_day: Mapping[Block, int], way: _Way
) -> Iterator[tuple[str, Sequence[tuple[Block, int]]]]:
    """Yield for each shard its part and its days, each with the number of its draw: 0 is the real day."""
    yield "valid", [(day, 0) for day in split.valid]
    yield "test", [(day, 0) for day in split.test]
    numbers = itertools.count(1) if way.scale > 1 else itertools.repeat(0)
    for year in bootstrap_days(split.train, way.scale, way.seed):
        rows = {(day, number): rows_by_day[day] for day, number in zip(year, numbers, strict=False)}
        groups = PLANS[way.plan](rows, min(way.n_shards, len(split.train))).groups
        yield from (("train", group) for group in groups if group)


def _located(place: Path, found: dict[str, Any]) -> Shard:
    """Return a shard where it lies now: the folder may have been moved."""
    return Shard(**{**found, "url": str(place / found["url"])})


def _checked(scale: int, n_shards: int, seed: int, plan: str) -> _Way:
    check_scale(scale)
    if n_shards < 1 or seed < 0:
        raise InvalidArgument(f"Prepare 1 shard or more, with a seed of 0 or more, not {n_shards} with {seed}.")
    if plan not in PLANS:
        raise InvalidArgument(f"Shards are planned {' or '.join(PLANS)}, not {plan!r}.")
    return _Way(scale, n_shards, seed, plan)


def _check_room(folder: Path, memory: int, disk: int, scale: int) -> None:
    """Refuse what this machine is too small for, given what is needed at once, in bytes."""
    available = available_memory_bytes()
    if memory > available:
        raise NotEnoughMemory(
            f"Preparing needs about {memory / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are free: "
            "end other programs, ask for fewer days or for more shards."
        )
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if disk > free:
        raise NotEnoughDisk(
            f"Scale {scale} needs about {disk / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free at {there}: "
            "free some or ask for a smaller scale."
        )
