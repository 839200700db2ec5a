"""Checks of notebook 09: what the text of metrics holds, and what follows from two looks at it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from labkit.classroom.exercises import NotYet

TEXT = """\
# HELP flights_total Flights by route; "late" ones too.
# TYPE flights_total counter
flights_total{method="GET",route="/train"} 3.0
up 1

flights_total{method="GET",route="/train/{run_id}"} 1027.0
flights_total{method="POST",route="a b, c"} 5.0
seconds_bucket{le="+Inf"} 7 1395066363000
queue_ratio{} -1.5e-3
most +Inf
"""
SAMPLES: list[tuple[str, dict[str, str], float]] = [
    ("flights_total", {"method": "GET", "route": "/train"}, 3.0),
    ("up", {}, 1.0),
    ("flights_total", {"method": "GET", "route": "/train/{run_id}"}, 1027.0),
    ("flights_total", {"method": "POST", "route": "a b, c"}, 5.0),
    ("seconds_bucket", {"le": "+Inf"}, 7.0),
    ("queue_ratio", {}, -0.0015),
    ("most", {}, math.inf),
]


def check_1(parse: Any) -> None:
    """Check a small text, then one with all that the format allows."""
    simple = _parsed(parse, '# TYPE up gauge\nup 1.0\nflights{route="/a"} 2.5\n')
    for sample, right in zip(simple, [("up", {}, 1.0), ("flights", {"route": "/a"}, 2.5)], strict=False):
        if tuple(sample) != right:
            raise NotYet("wrong", found=repr(tuple(sample)), right=repr(right))
    found = _parsed(parse, TEXT)
    for sample, right in zip(found, SAMPLES, strict=False):
        name, labels, value = sample
        if tuple(sample) == right:
            continue
        reason = "wrong"
        if value == 1395066363000:
            reason = "timestamp"
        elif right[1].get("route") == "/train/{run_id}":
            reason = "braces"
        elif right[1].get("route") == "a b, c":
            reason = "commas"
        elif name == right[0] and labels == right[1] and not isinstance(value, float):
            reason = "no_float"
        raise NotYet(reason, found=repr(tuple(sample)), right=repr(right))
    if len(found) != len(SAMPLES):
        raise NotYet("lost" if len(found) < len(SAMPLES) else "more", found=len(found), right=len(SAMPLES))


def _parsed(parse: Any, text: str) -> list[Any]:
    try:
        found = parse(text)
    except Exception:
        if text is TEXT:
            raise NotYet("stops") from None
        raise
    if isinstance(found, dict):
        raise NotYet("one_a_name")
    if not isinstance(found, list) or not all(isinstance(each, tuple | list) and len(each) == 3 for each in found):
        raise NotYet("not_a_list")
    if any(str(name).startswith("#") or name in ("HELP", "TYPE") for name, *_ in found):
        raise NotYet("comments")
    return found


def check_2(rate: Any) -> None:
    """Check a counter that only grows, looks at unequal distances, and a process that started anew."""
    steady = [(10.0, 100.0), (15.0, 150.0), (20.0, 180.0)]
    found = _number(rate, steady)
    if not np.isclose(found, 8.0):
        reason = {80.0: "not_per_second", 18.0: "from_zero", 9.0: "from_zero", 40.0: "per_look"}.get(
            round(found, 9), "wrong"
        )
        raise NotYet(reason, found=found, right=8.0, looks=_looks(steady))
    uneven = [(0.0, 100.0), (5.0, 150.0), (25.0, 170.0)]
    found = _number(rate, uneven)
    if not np.isclose(found, 2.8):
        reason = "mean_of_rates" if np.isclose(found, 5.5) else "wrong"
        raise NotYet(reason, found=found, right=2.8, looks=_looks(uneven))
    anew = [(0.0, 100.0), (5.0, 150.0), (10.0, 20.0), (20.0, 60.0)]
    found = _number(rate, anew)
    if not np.isclose(found, 5.5):
        reason = {-2.0: "negative", 2.0: "negative", 0.0: "negative", 4.5: "lost", 11.0: "absolute"}.get(
            round(found, 9), "wrong"
        )
        raise NotYet(reason, found=found, right=5.5, looks=_looks(anew))


def _number(function: Any, *given: Any) -> float:
    found = function(*given)
    if isinstance(found, bool) or not isinstance(found, int | float | np.floating):
        raise NotYet("no_number")
    return float(found)


def _looks(samples: list[tuple[float, float]]) -> str:
    return ", ".join(f"({at:g} s, {value:g})" for at, value in samples)


def check_3(quantile: Any) -> None:
    """Check a histogram from its beginning, then what lies between two looks, then the bucket without an end."""
    none = {0.1: 0.0, 0.5: 0.0, 1.0: 0.0, math.inf: 0.0}
    first = {0.1: 10.0, 0.5: 40.0, 1.0: 50.0, math.inf: 50.0}
    later = {0.1: 12.0, 0.5: 60.0, 1.0: 80.0, math.inf: 90.0}
    case = {"q": 0.4, "before": _counts(none), "after": _counts(first)}
    found, right = _number(quantile, dict(none), dict(first), 0.4), 0.1 + 0.4 * 10 / 30
    if not np.isclose(found, right):
        reason = {0.5: "whole_bucket", 0.1: "whole_bucket", 0.3: "middle", 0.6: "not_cumulative"}.get(
            round(found, 9), "wrong"
        )
        raise NotYet(reason, found=found, right=right, **case)
    case = {"q": 0.4, "before": _counts(first), "after": _counts(later)}
    found, right = _number(quantile, dict(first), dict(later), 0.4), 0.1 + 0.4 * 14 / 18
    if not np.isclose(found, right):
        raise NotYet("since_start" if np.isclose(found, 0.3) else "wrong", found=found, right=right, **case)
    found = _number(quantile, dict(first), dict(later), 0.9)
    if not np.isclose(found, 1.0):
        reason = "wrong" if math.isfinite(found) else "endless"
        raise NotYet(reason, found=found, right=1.0, **case | {"q": 0.9})


def _counts(buckets: dict[float, float]) -> str:
    return "{" + ", ".join(f"{'+Inf' if le == math.inf else f'{le:g}'}: {n:g}" for le, n in buckets.items()) + "}"


COUNT = "labkit_request_seconds_count"


def _series(**counts: dict[tuple[str, str], float]) -> list[tuple[str, dict[str, str], float]]:
    """Return samples by route, method and status, with the histogram's other meters and a gauge among them."""
    found: list[tuple[str, dict[str, str], float]] = [("labkit_host_ratio", {"resource": "cpu"}, 0.5)]
    for route, by_status in counts.items():
        for (method, status), n in by_status.items():
            labels = {"method": method, "route": f"/{route}", "status": status}
            found += [("labkit_request_seconds_bucket", {**labels, "le": "+Inf"}, n), (COUNT, labels, n),
                      ("labkit_request_seconds_sum", labels, n / 4)]  # fmt: skip
    return found


def check_4(failing: Any) -> None:
    """Check shares from a server's beginning, then between two looks: by route, of the server's own failures."""
    later = _series(
        predict={("POST", "200"): 50.0, ("POST", "422"): 20.0, ("POST", "503"): 30.0},
        models={("GET", "200"): 40.0, ("POST", "500"): 10.0}, train={("GET", "404"): 8.0},
    )  # fmt: skip
    _judge(failing, [], later, {"/predict": 0.3, "/models": 0.2, "/train": 0.0}, {})
    earlier = _series(
        predict={("POST", "200"): 40.0, ("POST", "422"): 10.0},
        models={("GET", "200"): 20.0, ("POST", "500"): 10.0}, train={("GET", "404"): 8.0},
    )  # fmt: skip
    since_start = {"/predict": 0.3, "/models": 0.2}
    _judge(failing, earlier, later, {"/predict": 0.6, "/models": 0.0}, since_start)


def _judge(
    failing: Any, before: list[Any], after: list[Any], right: dict[str, float], since_start: dict[str, float]
) -> None:
    found = failing(list(before), list(after))
    if not isinstance(found, dict):
        raise NotYet("not_by_route")
    if since_start and all(np.isclose(found.get(route, -1), share) for route, share in since_start.items()):
        raise NotYet("since_start", found=float(found["/predict"]), right=right["/predict"])
    for route, share in right.items():
        if route not in found:
            raise NotYet("without_failures" if share == 0 else "missing", route=route)
        value = float(found[route])
        if np.isclose(value, share):
            continue
        reason = "wrong"
        if not since_start and route == "/predict":
            # What comes of those who ask wrongly, of all three meters of a histogram, of the last series alone.
            reason = {0.5: "client_errors", 30.0: "no_share", 1.0: "one_series"}.get(round(value, 9), "wrong")
        raise NotYet(reason, route=route, found=value, right=share)
    if idle := sorted(set(found) - set(right)):
        raise NotYet("idle" if idle[0] == "/train" else "other_meters", route=idle[0])
