"""What was predicted: kept by the second and by the thousand, so that no request waits for it."""

from __future__ import annotations

import collections
import datetime
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select

from labkit.errors import LabError
from labkit.store.database import PredictionRow, reading, writing

AT_ONCE = 50  # more than anybody reads; keeping thousands a second would hold up predictions
FLOOD_S = 5.0  # how often what came is kept where more than that comes


class History:
    """The last predictions of a lab.

    Parameters
    ----------
    engine : Engine
        The lab's database.
    most : int
        How many are kept.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine, self._most, self._flushed_s = engine, most, -FLOOD_S
        self._fresh: collections.deque[tuple[str, float, Mapping[str, Any], float]] = collections.deque(maxlen=AT_ONCE)

    def add(self, model: str, flights: Sequence[Mapping[str, Any]], probabilities: Sequence[float]) -> None:
        """Remember predictions; `flush`, called about once a second, keeps the last 50: in a flood, of each 5 s."""
        at, first = time.time(), zip(flights[:AT_ONCE], probabilities[:AT_ONCE], strict=True)
        self._fresh.extend((model, at, flight, value) for flight, value in first)

    def flush(self, *, at_end: bool = False) -> None:
        """Keep what is fresh, and forget what is beyond the limit; what cannot be kept now is kept the next time."""
        if not at_end and len(self._fresh) == AT_ONCE and time.monotonic() - self._flushed_s < FLOOD_S:
            return
        self._flushed_s = time.monotonic()
        fresh = [self._fresh.popleft() for _ in range(len(self._fresh))]
        if not fresh:
            return
        rows = [
            {"model": model, "created": _utc(at), "flight": _plain(flight), "probability": value}
            for model, at, flight, value in fresh
        ]
        try:
            with writing(self._engine) as session:
                session.execute(insert(PredictionRow), rows)
                newest = session.scalar(select(func.max(PredictionRow.id))) or 0
                session.execute(delete(PredictionRow).where(PredictionRow.id <= newest - self._most))
        except LabError:
            room = AT_ONCE - len(self._fresh)
            self._fresh.extendleft(reversed(fresh[-room:] if room > 0 else []))
            raise

    def list(self, limit: int) -> list[dict[str, Any]]:
        """Return the last predictions, the newest first."""
        query = select(PredictionRow).order_by(PredictionRow.id.desc()).limit(limit)
        names = ("id", "model", "created", "flight", "probability")
        with reading(self._engine) as session:
            return [{name: getattr(row, name) for name in names} for row in session.scalars(query)]


def _utc(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")


def _plain(flight: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime.date) else value
        for name, value in flight.items()
        if value is not None
    }
