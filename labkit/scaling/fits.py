"""Laws fitted to measured speedups: with their uncertainty, and only where the measurements can bear it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labkit.errors import InvalidMeasurement
from labkit.scaling import laws
from labkit.scaling.table import SpeedupRow

_SPARE_COUNTS = 2  # worker counts beyond the parameters: with fewer, any law fits

_LAWS: dict[str, Callable[..., float]] = {"amdahl": laws.amdahl, "gustafson": laws.gustafson, "usl": laws.usl}


@dataclass(frozen=True)
class LawFit:
    """A law with the parameters that fit best.

    Parameters
    ----------
    law : {"amdahl", "gustafson", "usl"}
        Its name in `labkit.scaling.laws`.
    parameters, std_errors : mapping of str to float
        Estimates within their bounds, and their standard errors from the curvature at the optimum.
    residual : float
        Root mean square of measured minus fitted speedup.
    """

    law: str
    parameters: Mapping[str, float]
    std_errors: Mapping[str, float]
    residual: float

    def predict(self, n_workers: float) -> float:
        """Return the speedup that the law predicts."""
        return _LAWS[self.law](n_workers, **self.parameters)

    def knee(self, usable_cpus: int) -> int | None:
        """Return the number of workers at which speedup times efficiency is highest.

        Parameters
        ----------
        usable_cpus : int
            CPUs of the machine that the law was fitted on.

        Returns
        -------
        int or None
            None where the knee is not below `usable_cpus`: a law is not trusted beyond what was measured.

        References
        ----------
        .. [1] Eager, Zahorjan & Lazowska (1989), "Speedup versus efficiency in parallel systems", IEEE Transactions on
           Computers 38(3). doi:10.1109/12.21127

        Examples
        --------
        >>> fit = LawFit("amdahl", {"serial_fraction": 0.2}, {"serial_fraction": 0.01}, residual=0.0)
        >>> fit.knee(usable_cpus=16), fit.knee(usable_cpus=4)
        (4, None)
        """
        return _highest_below(usable_cpus, lambda n: self.predict(n) ** 2 / n)

    def saturation(self, usable_cpus: int) -> int | None:
        """Return the number of workers at which speedup is highest; None where that is not below `usable_cpus`."""
        return _highest_below(usable_cpus, self.predict)


@dataclass(frozen=True)
class Unfitted:
    """A law that the measurements cannot bear, and why.

    Parameters
    ----------
    law : {"amdahl", "gustafson", "usl"}
        Its name in `labkit.scaling.laws`.
    n_cores_needed : int
        Cores, each number of which could be measured, that would be enough.
    n_eligible : int
        Worker counts that could be used.
    """

    law: str
    n_cores_needed: int
    n_eligible: int

    @property
    def reason(self) -> str:
        """Say what is missing."""
        return f"needs {self.n_cores_needed} cores: {self.n_eligible} of {self.n_cores_needed} worker counts are usable"


def eligible(rows: Sequence[SpeedupRow], usable_cpus: int) -> tuple[list[int], list[float]]:
    """Return the worker counts and speedups that a law may be fitted to: unmarked, and within the usable CPUs."""
    kept = [row for row in rows if not row.marks and row.n_workers <= usable_cpus]
    return [row.n_workers for row in kept], [row.speedup for row in kept]


def fit_amdahl(n_workers: Sequence[int], speedups: Sequence[float]) -> LawFit | Unfitted:
    """Fit Amdahl's law to speedups of a fixed amount of work.

    Parameters
    ----------
    n_workers : sequence of int
        Eligible worker counts, all different, each at least 1.
    speedups : sequence of float
        One for each count, > 0.

    Returns
    -------
    LawFit or Unfitted
        Its parameter is `serial_fraction`; unfitted below 3 counts.

    Raises
    ------
    InvalidMeasurement
        If counts repeat, or counts and speedups do not belong together.

    Examples
    --------
    >>> fit = fit_amdahl([1, 2, 4], [1.0, 1.818, 3.077])
    >>> round(fit.parameters["serial_fraction"], 3), round(fit.predict(8), 2)
    (0.1, 4.71)
    >>> fit_amdahl([1, 2], [1.0, 1.8]).reason
    'needs 3 cores: 2 of 3 worker counts are usable'
    """
    return _fit("amdahl", {"serial_fraction": (0.05, 1.0)}, n_workers, speedups)


def fit_gustafson(n_workers: Sequence[int], speedups: Sequence[float]) -> LawFit | Unfitted:
    """Fit Gustafson's law to scaled speedups: those of work that grows with the workers.

    Parameters and errors are as in `fit_amdahl`; a scaled speedup is `n_workers` times the time of one share of work on
    one worker, over the time of `n_workers` shares on `n_workers`.
    """
    return _fit("gustafson", {"serial_fraction": (0.05, 1.0)}, n_workers, speedups)


def fit_usl(n_workers: Sequence[int], speedups: Sequence[float]) -> LawFit | Unfitted:
    """Fit the Universal Scalability Law: parameters `sigma` and `kappa`, unfitted below 4 counts; as `fit_amdahl`."""
    return _fit("usl", {"sigma": (0.05, 1.0), "kappa": (0.001, math.inf)}, n_workers, speedups)


def _highest_below(usable_cpus: int, value: Callable[[int], float]) -> int | None:
    best = max(range(1, usable_cpus + 1), key=value)
    return best if best < usable_cpus else None


def _fit(
    law: str, starts_and_bounds: Mapping[str, tuple[float, float]], n_workers: Sequence[int], speedups: Sequence[float]
) -> LawFit | Unfitted:
    if len(n_workers) != len(speedups) or len(set(n_workers)) != len(n_workers):
        raise InvalidMeasurement(f"Each worker count needs one speedup; got {list(n_workers)} and {list(speedups)}.")
    for n, speedup in zip(n_workers, speedups, strict=True):
        laws.efficiency(speedup, n)  # refuses what is no measurement
    names, n_needed = list(starts_and_bounds), len(starts_and_bounds) + _SPARE_COUNTS
    if len(n_workers) < n_needed:
        return Unfitted(law, n_needed, len(n_workers))

    import numpy as np
    from scipy.optimize import curve_fit

    starts, upper = zip(*starts_and_bounds.values(), strict=True)
    best, covariance = curve_fit(
        np.vectorize(_LAWS[law], otypes=[float]), n_workers, speedups, p0=starts, bounds=(0, upper), x_scale="jac"
    )
    parameters = dict(zip(names, best.tolist(), strict=True))
    std_errors = dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    misses = [s - _LAWS[law](n, **parameters) for n, s in zip(n_workers, speedups, strict=True)]
    return LawFit(law, parameters, std_errors, math.hypot(*misses) / math.sqrt(len(misses)))
