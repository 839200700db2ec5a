"""Own data of all types, in which the class follows from the features."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl


def frame(n_rows: int = 1500, n_classes: int = 3, seed: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    x, group, flag = draw.normal(size=n_rows), draw.integers(0, 4, n_rows), draw.random(n_rows) < 0.4
    level = np.digitize(x + group / 2 + flag + draw.normal(size=n_rows) / 2, [0.7, 1.8][: n_classes - 1])
    return pl.DataFrame({
        "x": x,
        "día": [date(2024, 1, 1) + timedelta(days=int(n)) for n in draw.integers(0, 60, n_rows)],
        "grupo": [("a", "b", "c", "ñ")[n] for n in group],
        "draw": flag,
        "day": draw.integers(0, 9, n_rows),
        "late": [("low", "mid", "high")[n] for n in level],
    })  # fmt: skip


def csv(folder: Path, rows: pl.DataFrame, name: str = "own.csv") -> str:
    path = folder / name
    rows.write_csv(path)
    return str(path)
