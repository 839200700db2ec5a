"""Checks of notebook 10: where the bytes go, what bounds a schedule, and what a run is billed for."""

from __future__ import annotations

from typing import Any

import numpy as np
import ray

from labkit.classroom.exercises import NotYet
from labkit.lab import current
from labkit.parallel.observe import observe


def check_1(means: Any) -> None:
    """Check that each part got a task, and that no part came to the notebook."""
    current().attach()
    arrays = [np.linspace(low, low + 2.0, 125_000) for low in (0.0, 10.0, -7.0, 3.0)]
    refs = [ray.put(array) for array in arrays]
    with observe() as seen:
        found = means(list(refs))
    right = [float(array.mean()) for array in arrays]
    if any(isinstance(value, ray.ObjectRef) for value in np.atleast_1d(np.array(found, dtype=object))):
        raise NotYet("futures")
    if not isinstance(found, list) or len(found) != len(right):
        raise NotYet("not_one_each", n=len(right))
    if not np.allclose(found, right):
        raise NotYet("wrong", found=[float(value) for value in found], right=right)
    if seen.n_bytes("get") >= arrays[0].nbytes:
        raise NotYet("fetched", megabytes=seen.n_bytes("get") / 1e6)
    n_tasks = seen.counts.get("task", 0)
    if n_tasks != len(refs):
        raise NotYet("one_task" if n_tasks == 1 else "not_a_task_each", n=n_tasks, right=len(refs))
    if seen.counts.get("get", 0) > 1:
        raise NotYet("get_in_a_loop", n=seen.counts["get"])


def check_2(lower_bound: Any) -> None:
    """Check each of the three bounds where it alone holds."""
    service_s = [4.0, 1.0, 6.0, 1.0]
    cases = {
        "wrong_work": (0.1, 1, 12.0), "wrong_longest": (0.1, 100, 6.0), "wrong_driver": (2.5, 100, 10.0),
        "wrong_share": (0.1, 2, 6.0),
    }  # fmt: skip
    for reason, (driver_s, n_workers, right) in cases.items():
        given = list(service_s)
        found = float(lower_bound(given, driver_s, n_workers))
        case = {"found": found, "right": right, "n": n_workers, "driver": driver_s}
        if not np.isclose(found, right):
            added = np.isclose(found, sum(service_s) / n_workers + max(service_s) + len(service_s) * driver_s)
            once = reason == "wrong_driver" and np.isclose(found, 6.0) and _counts_once(lower_bound)
            raise NotYet("added" if added else "driver_once" if once else reason, **case)
        if given != service_s:
            raise NotYet("changed")


def _counts_once(lower_bound: Any) -> bool:
    """Tell whether the driver's time is taken for one result alone."""
    return bool(np.isclose(float(lower_bound([4.0, 1.0, 6.0, 1.0], 20.0, 100)), 20.0))


def check_3(cost_usd: Any) -> None:
    """Check whole instances, seconds, the smallest bill, and that nothing is rounded."""
    found = float(cost_usd(7200.0, 20, 8, 0.5))
    reasons = {
        "part_of_an_instance": 2.5, "one_instance": 1.0, "per_worker": 20.0, "rounded_down": 2.0, "full_only": 4.0,
    }  # fmt: skip
    _told(found, 3.0, reasons, seconds=7200.0, n=20, per=8)
    _told(float(cost_usd(7200.0, 16, 8, 0.5)), 2.0, {"one_too_many": 3.0}, seconds=7200.0, n=16, per=8)
    _told(float(cost_usd(5400.0, 8, 8, 0.5)), 0.75, {"whole_hours": 1.0}, seconds=5400.0, n=8, per=8)
    right = 60 / 3600 * 0.5
    reasons = {"no_minimum": 6 / 3600 * 0.5, "rounded": round(right, 2)}
    _told(float(cost_usd(6.0, 3, 8, 0.5)), right, reasons, seconds=6.0, n=3, per=8)


def _told(found: float, right: float, reasons: dict[str, float], **case: Any) -> None:
    if not np.isclose(found, right):
        near = [reason for reason, value in reasons.items() if np.isclose(found, value)]
        raise NotYet(near[0] if near else "wrong", found=found, right=right, **case)
