"""What would leak: columns that know the target, because they were filled in after it or are it."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl

from labkit.data.own import LABEL, Inspection
from labkit.data.source import collect

N_SAMPLE = 100_000
_NEARLY_ALL = 0.999
_FEW = 20  # rows, of which nothing is said


@dataclasses.dataclass(frozen=True)
class Leak:
    """A column that a model should perhaps not see.

    Parameters
    ----------
    column : str
    hint : str
        Why, for people.
    auc : float or None
        How well the column ranks the classes by itself, on rows that were not used to learn how: 1 is perfectly.
    """

    column: str
    hint: str
    auc: float | None = None


def find_leaks(inspection: Inspection) -> list[Leak]:
    """Look for leaks among at most 100,000 rows, spread evenly over the source.

    A hint is no proof: whoever knows the data decides, and leaves a column out by giving it the type "ignore".

    Returns
    -------
    list of Leak
        At most one a column, in the order of the columns. Each column alone grows a decision tree on every second row,
        and is judged on the others by its ROC AUC, the mean over the classes.
    """
    rows = collect(inspection.rows().gather_every(max(1, -(-inspection.n_used // N_SAMPLE))))
    hints = {name: _hint(rows[name], rows[LABEL], type_) for name, type_, _ in inspection.table.columns}
    return [Leak(name, *hint) for name, hint in hints.items() if hint]


def _hint(values: pl.Series, label: pl.Series, type_: str) -> tuple[str, float | None] | None:
    """Say why a column looks like a leak, with its AUC; None where it does not."""
    whole = type_ == "number" and bool((values.drop_nulls() % 1 == 0).all())
    text = (values.cast(pl.Int64) if whole else values).cast(pl.String)
    if text.eq_missing(label if type_ != "boolean" else label.str.to_lowercase()).all():
        return "is the target itself under another name: leave it out", 1.0
    if (whole or type_ == "category") and len(values) > _FEW and values.n_unique() == len(values):
        return "has another value in every row: an id, from which nothing general can be learnt", None
    each = (
        pl.DataFrame({"label": label, "filled": values.is_not_null()})
        .group_by("label")
        .agg(n=pl.len(), f=pl.mean("filled"))
    )
    filled = {label: share for label, n, share in each.sort("label").iter_rows() if n >= _FEW}
    where = [repr(label) for label, share in filled.items() if share > 1 - _NEARLY_ALL]
    if len(where) < len(filled) and max(filled.values()) > 0.5:
        return f"is filled in only where the target is {' or '.join(where)}: it was hardly known before", None
    if (auc := _auc(values, label)) >= _NEARLY_ALL:
        return "tells the target almost by itself: leave it out, unless it is known before the outcome", auc
    return None


def _auc(values: pl.Series, label: pl.Series) -> float:
    """Return the AUC of one column on every second row, learnt from the others; 0.5 where they lack a class."""
    from sklearn.metrics import roc_auc_score
    from sklearn.tree import DecisionTreeClassifier

    ranks = values.rank("dense").cast(pl.Float64).fill_null(float("nan"))
    X, (classes, y) = ranks.to_numpy().reshape(-1, 1), np.unique(label.to_numpy(), return_inverse=True)
    if min(len(np.unique(y[half::2])) for half in (0, 1)) < len(classes):
        return 0.5
    tree = DecisionTreeClassifier(max_leaf_nodes=1000, min_samples_leaf=5, random_state=0).fit(X[::2], y[::2])
    found = tree.predict_proba(X[1::2])
    return float(np.mean([roc_auc_score(y[1::2] == place, found[:, place]) for place in range(len(classes))]))
