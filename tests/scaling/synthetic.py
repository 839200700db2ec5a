"""An engine whose serial fraction is known, since its timings come from Amdahl's law and a little noise."""

from __future__ import annotations

import random
from collections.abc import Sequence

from labkit.scaling import laws
from labkit.scaling.table import LIMIT, SEQUENTIAL, Timing

SERIAL_S = 20.0


def timings(
    workers: Sequence[int],
    *,
    serial_fraction: float = 0.08,
    limit_fraction: float = 0.02,
    n_rounds: int = 6,
    noise: float = 0.01,
    warm_up: float = 3.0,
) -> list[Timing]:
    """Return interleaved rounds; in each, the machine is slower or faster for all alike, and a bit for each."""
    draw = random.Random(2013)
    found = []
    for number in range(n_rounds + 1):
        slow = (warm_up if number == 0 else 1.0) * (1 + draw.uniform(-noise, noise))

        def add(subject: str, n: int, speedup: float, number: int = number, slow: float = slow) -> None:
            seconds = SERIAL_S / speedup * slow * (1 + draw.uniform(-noise, noise))
            found.append(Timing(subject, n, number, seconds, "same"))

        add(SEQUENTIAL, 1, 1.0)
        for n in workers:
            if n > 1:
                add(LIMIT, n, laws.amdahl(n, limit_fraction))
            add("ray", n, laws.amdahl(n, serial_fraction))
    return found
