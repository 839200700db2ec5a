"""The laws of scaling, as their authors wrote them. Numbers of workers may be fractions, for a smooth curve."""

from __future__ import annotations

import math

from labkit.errors import InvalidMeasurement


def speedup(serial_s: float, parallel_s: float) -> float:
    """Return how many times faster the parallel run was.

    Parameters
    ----------
    serial_s, parallel_s : float
        Wall-clock time of the same work, in seconds; both > 0.

    Returns
    -------
    float
        Dimensionless, > 0.

    Raises
    ------
    InvalidMeasurement
        If a time is not positive and finite.

    Examples
    --------
    >>> speedup(serial_s=12.0, parallel_s=4.0)
    3.0
    """
    return _positive_s(serial_s) / _positive_s(parallel_s)


def efficiency(speedup: float, n_workers: float) -> float:
    """Return the speedup per worker.

    Parameters
    ----------
    speedup : float
        Dimensionless, > 0.
    n_workers : float
        At least 1.

    Returns
    -------
    float
        Fraction: 1 where every worker is used fully; above 1 is superlinear, so check the baseline.

    Raises
    ------
    InvalidMeasurement
        If the speedup is not positive and finite, or `n_workers` is below 1.

    Examples
    --------
    >>> efficiency(speedup=3.0, n_workers=4)
    0.75
    """
    if not 0 < speedup < math.inf:
        raise InvalidMeasurement(f"A speedup must be positive and finite; got {speedup}.")
    return speedup / _workers(n_workers)


def throughput(n_rows: int, seconds: float) -> float:
    """Return the rows handled per second.

    Parameters
    ----------
    n_rows : int
        At least 0.
    seconds : float
        Wall-clock time, > 0.

    Returns
    -------
    float
        Rows per second.

    Raises
    ------
    InvalidMeasurement
        If the time is not positive and finite, or `n_rows` is negative.

    Examples
    --------
    >>> throughput(n_rows=1000, seconds=4.0)
    250.0
    """
    if n_rows < 0:
        raise InvalidMeasurement(f"A number of rows cannot be negative; got {n_rows}.")
    return n_rows / _positive_s(seconds)


def amdahl(n_workers: float, serial_fraction: float) -> float:
    """Return the speedup of a fixed amount of work, part of which runs serially.

    Parameters
    ----------
    n_workers : float
        At least 1.
    serial_fraction : float
        Share of the one-worker time that no worker can share, 0–1.

    Returns
    -------
    float
        Dimensionless; it nears ``1 / serial_fraction`` as workers are added.

    Raises
    ------
    InvalidMeasurement
        If `n_workers` is below 1 or the fraction is outside 0–1.

    References
    ----------
    .. [1] Amdahl (1967), "Validity of the single processor approach to achieving large scale computing capabilities",
       AFIPS. doi:10.1145/1465482.1465560

    Examples
    --------
    >>> round(amdahl(4, serial_fraction=0.1), 3)
    3.077
    """
    return _workers(n_workers) / (1 + _fraction(serial_fraction) * (n_workers - 1))


def gustafson(n_workers: float, serial_fraction: float) -> float:
    """Return the scaled speedup where the work grows with the workers.

    Parameters
    ----------
    n_workers : float
        At least 1.
    serial_fraction : float
        Share of the *parallel* run's time spent serially, 0–1: not Amdahl's fraction.

    Returns
    -------
    float
        Dimensionless; it grows without bound where the fraction is below 1.

    Raises
    ------
    InvalidMeasurement
        If `n_workers` is below 1 or the fraction is outside 0–1.

    References
    ----------
    .. [1] Gustafson (1988), "Reevaluating Amdahl's law", CACM 31(5). doi:10.1145/42411.42415

    Examples
    --------
    >>> round(gustafson(4, serial_fraction=0.1), 3)
    3.7
    """
    return _workers(n_workers) - _fraction(serial_fraction) * (n_workers - 1)


def serial_fraction(serial_s: float, parallel_s: float, n_workers: int) -> float:
    """Estimate how much of a program ran serially, from two timings.

    Parameters
    ----------
    serial_s, parallel_s : float
        Wall-clock time on one worker and on `n_workers`, in seconds; both > 0.
    n_workers : int
        Workers in the parallel run; at least 2.

    Returns
    -------
    float
        Dimensionless: 0 is perfect speedup, 1 is none; below 0 is superlinear, so check the baseline first. Where it
        grows with the workers, overhead grows too; where it is constant, the serial part is the limit.

    Raises
    ------
    InvalidMeasurement
        If a time is not positive and finite or `n_workers` is below 2.

    References
    ----------
    .. [1] Karp & Flatt (1990), "Measuring parallel processor performance", CACM 33(5). doi:10.1145/78607.78614

    Examples
    --------
    >>> round(serial_fraction(serial_s=100.0, parallel_s=32.5, n_workers=4), 3)
    0.1
    """
    if not 2 <= n_workers < math.inf:
        raise InvalidMeasurement(f"A serial fraction shows from 2 workers on; got {n_workers}.")
    return (1 / speedup(serial_s, parallel_s) - 1 / n_workers) / (1 - 1 / n_workers)


def usl(n_workers: float, sigma: float, kappa: float) -> float:
    """Return the speedup under contention and coherency (the Universal Scalability Law).

    Parameters
    ----------
    n_workers : float
        At least 1.
    sigma : float
        Contention: the share of work that queues for something shared, 0–1. With `kappa` 0 this is Amdahl's law.
    kappa : float
        Coherency: the cost of each pair of workers that must agree, at least 0.

    Returns
    -------
    float
        Dimensionless; it falls again beyond `usl_peak` where `kappa` is positive.

    Raises
    ------
    InvalidMeasurement
        If an argument is out of its range.

    References
    ----------
    .. [1] Gunther (1993), "A simple capacity model of massively parallel transaction systems", CMG Conference.
    .. [2] Gunther (2007), "Guerrilla Capacity Planning", chapters 4–6. doi:10.1007/978-3-540-31010-5

    Examples
    --------
    >>> round(usl(4, sigma=0.1, kappa=0.01), 3)
    2.817
    """
    n = _workers(n_workers)
    return n / (1 + _fraction(sigma) * (n - 1) + _coherency(kappa) * n * (n - 1))


def usl_peak(sigma: float, kappa: float) -> float:
    """Return the number of workers at which the Universal Scalability Law is highest.

    Parameters
    ----------
    sigma : float
        Contention, 0–1.
    kappa : float
        Coherency, at least 0.

    Returns
    -------
    float
        Workers, at least 1; infinite where `kappa` is 0.

    Raises
    ------
    InvalidMeasurement
        If an argument is out of its range.

    References
    ----------
    .. [1] Gunther (2007), "Guerrilla Capacity Planning", chapter 4. doi:10.1007/978-3-540-31010-5

    Examples
    --------
    >>> round(usl_peak(sigma=0.1, kappa=0.01), 3)
    9.487
    """
    parallel = 1 - _fraction(sigma)
    return max(1.0, math.sqrt(parallel / kappa)) if _coherency(kappa) else math.inf


def _positive_s(seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise InvalidMeasurement(f"A time must be positive and finite, in seconds; got {seconds}.")
    return seconds


def _workers(n_workers: float) -> float:
    if not 1 <= n_workers < math.inf:
        raise InvalidMeasurement(f"A number of workers is at least 1; got {n_workers}.")
    return n_workers


def _fraction(fraction: float) -> float:
    if not 0 <= fraction <= 1:
        raise InvalidMeasurement(f"A fraction lies between 0 and 1; got {fraction}.")
    return fraction


def _coherency(kappa: float) -> float:
    if not 0 <= kappa < math.inf:
        raise InvalidMeasurement(f"Coherency (kappa) is at least 0; got {kappa}.")
    return kappa
