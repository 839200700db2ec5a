"""Whole days go to training, validation or test: rows of one day share its weather."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date
from typing import Generic, TypeVar

import numpy as np

from labkit.errors import InvalidArgument

Block = TypeVar("Block", date, int)  # what stays together: a day, or own rows of one hash

_HELD_OUT = 0.1  # of the days, once for validation and once for test


@dataclasses.dataclass(frozen=True)
class DaySplit(Generic[Block]):
    """Days apart from one another, each part in the order of the calendar."""

    train: tuple[Block, ...]
    valid: tuple[Block, ...]
    test: tuple[Block, ...]


def split_days(days: Sequence[Block], seed: int) -> DaySplit[Block]:
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
    _check_days(days)
    if len(set(days)) < len(days):
        raise InvalidArgument("A day comes twice: split the source days before they are scaled up.")
    order = np.random.default_rng(seed).permutation(len(days))
    shuffled = [sorted(days)[index] for index in order]
    n_held_out = max(1, round(_HELD_OUT * len(days)))
    valid, test, train = np.split(np.arange(len(days)), [n_held_out, 2 * n_held_out])
    return DaySplit(*(tuple(sorted(shuffled[index] for index in part)) for part in (train, valid, test)))


def split_in_order(days: Sequence[Block]) -> DaySplit[Block]:
    """Split days by time: the last 10 % are for test, the 10 % before them for validation, each at least one day.

    Raises
    ------
    InvalidArgument
        If there are fewer than 3 days.

    Examples
    --------
    >>> split_in_order([20, 10, 30, 40]).test
    (40,)
    """
    _check_days(days)
    ordered, n_held_out = sorted(days), max(1, round(_HELD_OUT * len(days)))
    return DaySplit(
        *map(tuple, (ordered[: -2 * n_held_out], ordered[-2 * n_held_out : -n_held_out], ordered[-n_held_out:]))
    )


def _check_days(days: Sequence[Block]) -> None:
    if len(days) < 3:
        raise InvalidArgument(
            f"Training, validation and test need a day each, got {len(days)}: ask for 3 days or more."
        )
