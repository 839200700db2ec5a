"""Whole days go to training, validation or test: rows of one day share its weather."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date

import numpy as np

from labkit.errors import InvalidArgument

_HELD_OUT = 0.1  # of the days, once for validation and once for test


@dataclasses.dataclass(frozen=True)
class DaySplit:
    """Days apart from one another, each part in the order of the calendar."""

    train: tuple[date, ...]
    valid: tuple[date, ...]
    test: tuple[date, ...]


def split_days(days: Sequence[date], seed: int) -> DaySplit:
    """Split source days at random: 80 % training, 10 % validation, 10 % test, each at least one day.

    Parameters
    ----------
    days : sequence of date
        At least 3, each once: split first, scale up afterwards, or copies of a day would stand on both sides.
    seed : int
        The same seed gives the same split.

    Raises
    ------
    InvalidArgument
        If there are fewer than 3 days, or a day comes twice.

    Examples
    --------
    >>> split = split_days([date(2013, 1, day) for day in range(1, 31)], seed=1)
    >>> len(split.train), len(split.valid), len(split.test)
    (24, 3, 3)
    """
    if len(days) < 3:
        raise InvalidArgument(
            f"Training, validation and test need a day each, got {len(days)}: ask for 3 days or more."
        )
    if len(set(days)) < len(days):
        raise InvalidArgument("A day comes twice: split the source days before they are scaled up.")
    order = np.random.default_rng(seed).permutation(len(days))
    shuffled = [sorted(days)[index] for index in order]
    n_held_out = max(1, round(_HELD_OUT * len(days)))
    valid, test, train = np.split(np.arange(len(days)), [n_held_out, 2 * n_held_out])
    return DaySplit(*(tuple(sorted(shuffled[index] for index in part)) for part in (train, valid, test)))
