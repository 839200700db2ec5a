"""How far a median can be trusted: order statistics, with no distribution assumed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.errors import InvalidMeasurement


@dataclass(frozen=True)
class Spread:
    """How far apart repeated measurements lie.

    Parameters
    ----------
    low, high : float
        Its ends, in the unit of the measurements.
    kind : {"range", "interval"}
        The smallest and the largest value, or a confidence interval of the median.
    coverage : float or None
        The interval's true coverage, 0–1; None for a range, which claims none.
    """

    low: float
    high: float
    kind: Literal["range", "interval"]
    coverage: float | None = None


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Spread:
    """Bracket the median of repeated measurements by two of them.

    Parameters
    ----------
    values : sequence of float
        Independent measurements of one quantity, at least one.
    confidence : float
        Coverage that the interval must reach, between 0 and 1.

    Returns
    -------
    Spread
        The narrowest symmetric interval of order statistics that reaches `confidence`, with its true coverage; the
        range where there are too few values for any. At 95 % that is below 6.

    Raises
    ------
    InvalidMeasurement
        If there is no value, one is not finite, or the confidence is not between 0 and 1.

    References
    ----------
    .. [1] David & Nagaraja (2003), "Order Statistics", 3rd edition, section 7.1. doi:10.1002/0471722162

    Examples
    --------
    >>> median_interval([1.9, 1.7, 1.8])
    Spread(low=1.7, high=1.9, kind='range', coverage=None)
    >>> median_interval([1.9, 1.7, 1.8, 1.6, 2.0, 1.85])
    Spread(low=1.6, high=2.0, kind='interval', coverage=0.96875)
    """
    _check_finite(values)
    if not 0 < confidence < 1:
        raise InvalidMeasurement(f"A confidence lies between 0 and 1, such as 0.95; got {confidence}.")
    ordered, n = sorted(values), len(values)
    # Each value lies below the true median with probability 1/2: the interval misses it where fewer than `rank` do, or
    # fewer than `rank` lie above.
    for rank in range(n // 2, 0, -1):
        coverage = 1 - 2 * sum(math.comb(n, i) for i in range(rank)) / 2**n
        if coverage >= confidence:
            return Spread(ordered[rank - 1], ordered[n - rank], "interval", coverage)
    return Spread(ordered[0], ordered[-1], "range")


def relative_mad(values: Sequence[float]) -> float:
    """Return the median absolute deviation from the median, as a fraction of the median.

    Parameters
    ----------
    values : sequence of float
        Positive measurements of one quantity, at least one.

    Returns
    -------
    float
        Dimensionless; 0 where more than half of the values are equal. Not scaled to a standard deviation.

    Raises
    ------
    InvalidMeasurement
        If there is no value, or one is not positive and finite.

    Examples
    --------
    >>> round(relative_mad([10.0, 11.0, 9.0, 10.5, 30.0]), 3)
    0.048
    """
    _check_finite(values)
    if min(values) <= 0:
        raise InvalidMeasurement(f"A relative deviation needs positive values; got {min(values)}.")
    median = statistics.median(values)
    return statistics.median(abs(value - median) for value in values) / median


def _check_finite(values: Sequence[float]) -> None:
    if not values or not all(math.isfinite(value) for value in values):
        raise InvalidMeasurement(f"At least one value is needed, and all must be finite; got {list(values)}.")
