"""A teaching lab for parallel and distributed machine learning.

`import labkit` loads nothing else: each name brings its module when it is first used, so that a command or a worker
that needs one of them does not pay for all.
"""

from __future__ import annotations

import importlib
from typing import Any as _Any

_HOMES = {
    "Client": "labkit.client",
    "DataProcessor": "labkit.parallel.actors",
    "LabError": "labkit.errors",
    "ModelTrainer": "labkit.parallel.actors",
    "Task": "labkit.parallel.tasks",
    "catalogue": "labkit.learning.recipes",
    "check": "labkit.classroom.exercises",
    "dispatch": "labkit.parallel.dispatch",
    "engine": "labkit.parallel.engines",
    "hint": "labkit.classroom.exercises",
    "laws_of": "labkit.scaling.benchmark",
    "observe": "labkit.parallel.observe",
    "plan": "labkit.pipeline",
    "plot_speedup": "labkit.classroom.plots",
    "predict": "labkit.classroom.exercises",
    "rows_of": "labkit.scaling.benchmark",
    "serial_fraction": "labkit.scaling.laws",
    "start": "labkit.lab",
    "table_markdown": "labkit.classroom.plots",
    "train": "labkit.pipeline",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> _Any:
    if name not in _HOMES:
        raise AttributeError(f"labkit has no {name!r}; it has {', '.join(_HOMES)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
