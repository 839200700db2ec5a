"""From the flights to shards on disk, once: load, split, scale up, plan, write."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from labkit.data.features import Encoder
from labkit.data.flights import N_DAYS, clean, count_cancelled, load_flights
from labkit.data.scale import bootstrap_days, check_scale
from labkit.data.schema import SCHEMA_VERSION
from labkit.data.shards import PLANS, Shard, write_shard
from labkit.data.split import DaySplit, split_days
from labkit.errors import InvalidArgument, InvalidData, NotEnoughDisk, NotEnoughMemory, StorageError, UnknownName
from labkit.files.whole import whole_folder, write_whole
from labkit.host import available_memory_bytes

SEED = 2013
_ROWS_A_DAY = 1_000  # 897 on average
_MEMORY_BYTES = 250_000_000  # to read the source, however few of its days are asked for
_MEMORY_BYTES_A_ROW = 1_000  # while the tables are joined
_DISK_BYTES_A_ROW = 50  # as Parquet: 30 in large shards, more in small ones
_MANIFEST = "manifest.json"
_PARTS = ("train", "valid", "test")

Progress = Callable[[str, float], None]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Flights that are ready to be processed.

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
        Source days, before they were split and scaled.
    n_cancelled : int
        Flights of these days that were left out, cancelled or diverted.
    train : tuple of Shard
        Shards of the training days.
    valid, test : Shard
        Real days that are in no training shard.
    encoder : Encoder
        Fitted on the training days.
    schema_version : int
        Of `labkit.data.schema`.
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
    check_scale(scale)
    n_days = N_DAYS if days is None else days
    if isinstance(n_days, bool) or not isinstance(n_days, int) or not 3 <= n_days <= N_DAYS:
        raise InvalidArgument(f"Training, validation and test need 3 to {N_DAYS} days in all, not {days!r}.")
    if n_shards < 1 or seed < 0:
        raise InvalidArgument(f"Prepare 1 shard or more, with a seed of 0 or more, not {n_shards} with {seed}.")
    if plan not in PLANS:
        raise InvalidArgument(f"Shards are planned {' or '.join(PLANS)}, not {plan!r}.")
    key = f"flights-v{SCHEMA_VERSION}-days{n_days}-scale{scale}-shards{n_shards}-{plan}-seed{seed}"
    tell = on_progress or (lambda *_: None)
    try:
        return load(folder, key)
    except (UnknownName, InvalidData):  # not there yet, or no longer whole
        pass
    _check_room(folder, n_days * _ROWS_A_DAY, scale)
    shutil.rmtree(folder / key, ignore_errors=True)
    tell("load the flights", 0.0)
    with whole_folder(folder / key) as whole:
        manifest = _write(whole, n_days, scale, n_shards, seed, plan, tell)
        write_whole(whole / _MANIFEST, json.dumps({"key": key, **manifest}, indent=1))
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


def _write(place: Path, n_days: int, scale: int, n_shards: int, seed: int, plan: str, tell: Progress) -> dict[str, Any]:
    """Write all shards and return the manifest."""
    flights = load_flights(n_days)
    rows_by_day = dict(flights.group_by("day").len().sort("day").iter_rows())
    split = split_days(list(rows_by_day), seed)
    n_shards = min(n_shards, len(split.train))
    n_all = 2 + scale * n_shards
    manifest: dict[str, Any] = {name: [] for name in _PARTS}
    for number, (part, draws) in enumerate(_groups(split, rows_by_day, scale, n_shards, seed, plan)):
        tell(f"write shard {number + 1} of {n_all}", number / n_all)
        days = pl.DataFrame(draws, schema={"day": pl.Date, "draw": pl.Int32}, orient="row")
        rows = days.join(flights.drop("draw"), on="day", maintain_order="left_right").select(flights.columns)
        name = f"{part}-{len(manifest[part]):05d}.parquet"
        manifest[part].append({**dataclasses.asdict(write_shard(rows, str(place / name))), "url": name})
    encoder = Encoder.fit(clean(flights.filter(pl.col("day").is_in(split.train)))).to_json()
    digests = [shard["digest"] for part in _PARTS for shard in manifest[part]]
    return {
        **manifest,
        "encoder": encoder,
        "digest": hashlib.sha256("\n".join([*digests, encoder]).encode()).hexdigest(),
        "scale": scale,
        "synthetic": scale > 1,
        "n_days": n_days,
        "n_cancelled": count_cancelled(n_days),
        "schema_version": SCHEMA_VERSION,
    }


def _groups(
    split: DaySplit, rows_by_day: Mapping[date, int], scale: int, n_shards: int, seed: int, plan: str
) -> Iterator[tuple[str, Sequence[tuple[date, int]]]]:
    """Yield for each shard its part and its days, each with the number of its draw: 0 is the real day."""
    yield "valid", [(day, 0) for day in split.valid]
    yield "test", [(day, 0) for day in split.test]
    numbers = itertools.count(1) if scale > 1 else itertools.repeat(0)
    for year in bootstrap_days(split.train, scale, seed):
        rows = {(day, number): rows_by_day[day] for day, number in zip(year, numbers, strict=False)}
        yield from (("train", group) for group in PLANS[plan](rows, n_shards).groups if group)


def _located(place: Path, found: dict[str, Any]) -> Shard:
    """Return a shard where it lies now: the folder may have been moved."""
    return Shard(**{**found, "url": str(place / found["url"])})


def _check_room(folder: Path, n_rows: int, scale: int) -> None:
    """Refuse what this machine is too small for; whatever the scale, only the source is ever whole in memory."""
    memory, available = _MEMORY_BYTES + n_rows * _MEMORY_BYTES_A_ROW, available_memory_bytes()
    if memory > available:
        raise NotEnoughMemory(
            f"Preparing needs about {memory / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are free: "
            "end other programs or ask for fewer days."
        )
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    disk, free = n_rows * scale * _DISK_BYTES_A_ROW, shutil.disk_usage(there).free
    if disk > free:
        raise NotEnoughDisk(
            f"Scale {scale} needs about {disk / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free at {there}: "
            "free some or ask for a smaller scale."
        )
