"""Small blocks with the troubles of real ones: missing numbers, missing categories, categories that were not seen."""

from __future__ import annotations

import numpy as np

from labkit.data.features import FeatureBlock

N_NUMERIC = 5
CATEGORICAL = (5, 6, 7)
NAMES = ("number_0", "number_1", "number_2", "number_3", "number_4", "carrier", "origin", "dest")


def block(n_rows: int = 3000, seed: int = 0) -> FeatureBlock:
    draw = np.random.default_rng(seed)
    numeric = draw.normal(size=(n_rows, N_NUMERIC)) * [1.0, 10.0, 100.0, 0.1, 1.0] + [0.0, 50.0, 1000.0, 0.0, -3.0]
    codes = np.column_stack([draw.integers(0, n, size=n_rows) for n in (12, 3, 40)]).astype(float)
    logit = numeric[:, 0] + 0.1 * (numeric[:, 1] - 50) + np.sin(codes[:, 0]) + 0.5 * (codes[:, 1] == 2) - 1.5
    y = (draw.random(n_rows) < 1 / (1 + np.exp(-logit))).astype(np.uint8)
    X = np.column_stack([numeric, codes]).astype(np.float32)
    X[draw.random(X.shape) < 0.05] = np.nan
    return FeatureBlock(np.ascontiguousarray(X), y, NAMES)


def troubled(n_rows: int = 600) -> np.ndarray:
    """Rows to predict that hold what training rows did not."""
    X = block(n_rows, seed=1).X.copy()
    for first, code in enumerate([77.0, 200.0, 254.0, 255.0, 300.0, -1.0, 2.5, 1e9]):
        X[first::40, CATEGORICAL[first % 3]] = code
    X[8::40] = np.nan
    X[9::40, :N_NUMERIC] = 1e6
    X[10::40, :N_NUMERIC] = -1e6
    return X
