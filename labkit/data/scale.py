"""More data than there is: bootstrap years, drawn by whole days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.data.split import Block
from labkit.errors import InvalidArgument

MAX_SCALE = 1000  # 2.6e8 rows


def bootstrap_days(days: Sequence[Block], scale: int, seed: int) -> list[list[Block]]:
    """Draw years of days.

    Parameters
    ----------
    days : sequence of date
        Training days only.
    scale : int
        How many years, 1 to 1000. One is the days themselves, not drawn; from 2 on *all* years are drawn, and whoever
        keeps them marks them synthetic.
    seed : int
        The same seed draws the same years, and the first years are the same at any scale from 2 on.

    Returns
    -------
    list of list of date
        `scale` years of as many days as were given, drawn with replacement.

    Raises
    ------
    InvalidArgument
        If `scale` is no whole number from 1 to 1000.

    References
    ----------
    .. [1] Künsch (1989), "The jackknife and the bootstrap for general stationary observations", Annals of Statistics
       17(3). doi:10.1214/aos/1176347265. Here a block is a day.
    """
    check_scale(scale)
    if scale == 1:
        return [list(days)]
    draws = (np.random.default_rng([seed, year]).integers(len(days), size=len(days)) for year in range(scale))
    return [[days[index] for index in draw] for draw in draws]


def check_scale(scale: int) -> None:
    """Refuse a scale that makes no sense."""
    if isinstance(scale, bool) or not isinstance(scale, int) or not 1 <= scale <= MAX_SCALE:
        raise InvalidArgument(f"The scale is a whole number of years from 1 to {MAX_SCALE}, not {scale!r}.")
