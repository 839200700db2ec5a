"""An ensemble for small requests: the same answer as scikit-learn's, without its checks and copies.

Trees run in treelite, those of all members of a kind in one call, which costs more than the trees of a row; linear
members are sums of looked-up weights. From some hundred rows on scikit-learn is as fast.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import treelite
from scipy.special import expit, softmax

from labkit.learning.ensemble import Ensemble, as_features, mix, no_probabilities
from labkit.learning.fitting import spread

# Codes of categories are 0–254; tables have two more columns.
_MISSING, _FOREIGN, _N_CODES = 255, 256, 257

_Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
_PredictAll = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]


class CompiledEnsemble:
    """What `compile_ensemble` makes of an ensemble."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.weights, self.n_features = ensemble.weights, len(ensemble.feature_names)
        self.categorical = list(ensemble.categorical)
        self.n_classes = ensemble.n_classes
        self._parts: list[tuple[list[int], _PredictAll]] = []  # which members, and what gives a column for each
        alone = list(range(len(ensemble.models)))
        if self.n_classes == 2:
            groups = _grouped(ensemble.models, self.categorical)
            self._parts = [(places, _compiled_together(found, self.categorical)) for places, found in groups]
            alone = sorted(set(alone).difference(*(places for places, _ in groups)))
        for place in alone:
            model = ensemble.models[place]
            member = _compiled(model, self.categorical)
            if self.n_classes > 2:
                member = functools.partial(_predict_classes, member, model.classes_, self.n_classes)
            self._parts.append(([place], functools.partial(_as_list, member)))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities as `Ensemble.predict_proba` does, for features of shape (n_rows, n_features)."""
        X = as_features(X, self.n_features)
        if not len(X):
            return no_probabilities(self.n_classes)
        codes = _codes(X[:, self.categorical])
        found = {place: one for places, part in self._parts for place, one in zip(places, part(X, codes), strict=True)}
        return mix(self.weights, (found[place] for place in range(len(found))))


def compile_ensemble(ensemble: Ensemble) -> CompiledEnsemble:
    """Return an ensemble that answers as this one does, within 1e-12, sooner.

    Parameters
    ----------
    ensemble : Ensemble
        Of models that `fit_model` made; forests may be merged.
    """
    return CompiledEnsemble(ensemble)


def _grouped(models: Sequence[Any], categorical: list[int]) -> list[tuple[list[int], list[Any]]]:
    """Return trees of two classes that one call can run: forests, and boosting that knows the same categories."""
    groups: dict[Any, list[int]] = {}
    for place, model in enumerate(models):
        if not hasattr(model, "named_steps"):
            known = _known(model, categorical)
            kind = (hasattr(model, "_baseline_prediction"), None if known is None else known.tobytes())
            groups.setdefault(kind, []).append(place)
    return [(places, [models[place] for place in places]) for places in groups.values()]


def _compiled_together(models: Sequence[Any], categorical: list[int]) -> _PredictAll:
    trees = [_trees(model) for model in models]
    counts = np.array([each.num_tree for each in trees])
    begins = np.cumsum(counts) - counts
    baselines = [float(np.ravel(model._baseline_prediction)[0]) for model in models if _is_boosted(model)]
    return functools.partial(
        _predict_together, treelite.Model.concatenate(trees), begins, counts,
        np.array(baselines) if baselines else None, categorical, _known(models[0], categorical),
    )  # fmt: skip


def _predict_together(
    trees: treelite.Model,
    begins: np.ndarray,
    counts: np.ndarray,
    baselines: np.ndarray | None,
    categorical: list[int],
    known: np.ndarray | None,
    X: np.ndarray,
    codes: np.ndarray,
) -> list[np.ndarray]:
    leaves = treelite.gtil.predict_per_tree(trees, _without_foreign(X, codes, categorical, known), nthread=1)[:, :, -1]
    sums = np.add.reduceat(leaves, begins, axis=1)
    return list((sums / counts if baselines is None else expit(sums + baselines)).T)


def _as_list(member: _Predict, X: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    return [member(X, codes)]


def _compiled(model: Any, categorical: list[int]) -> _Predict:
    if hasattr(model, "named_steps"):
        return functools.partial(_predict_linear, *_linear_tables(model, categorical))
    known = _known(model, categorical)
    return functools.partial(
        _predict_trees, _trees(model), _is_boosted(model), len(model.classes_), categorical, known
    )  # fmt: skip


def _is_boosted(model: Any) -> bool:
    return hasattr(model, "_baseline_prediction")


def _trees(model: Any) -> treelite.Model:
    with np.errstate(invalid="ignore"):  # treelite casts the category NaN to an integer, and does not use it
        return treelite.sklearn.import_model(model)


def _known(model: Any, categorical: list[int]) -> np.ndarray | None:
    """Return which codes boosting with categories has seen, shape (n_categorical, n_codes); None for other models."""
    encoder = getattr(model, "_preprocessor", None)
    if encoder is None:
        return None
    known = np.zeros((len(categorical), _N_CODES), dtype=bool)
    for row, categories in zip(known, encoder.named_transformers_["encoder"].categories_, strict=True):
        row[_codes(categories)] = True
    return known


def _predict_classes(
    member: _Predict, classes: np.ndarray, n_classes: int, X: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    found = member(X, codes)
    return spread(np.column_stack([1 - found, found]) if found.ndim == 1 else found, classes, n_classes)


def _predict_trees(
    trees: treelite.Model,
    boosted: bool,
    n_classes: int,
    categorical: list[int],
    known: np.ndarray | None,
    X: np.ndarray,
    codes: np.ndarray,
) -> np.ndarray:
    X = _without_foreign(X, codes, categorical, known)
    if n_classes == 2:  # of a task with more classes, of which this member knows two
        return np.asarray(treelite.gtil.predict(trees, X, nthread=1)[:, 0, -1])
    found = treelite.gtil.predict(trees, X, nthread=1, pred_margin=boosted)[:, 0, :]
    return np.asarray(softmax(found, axis=1) if boosted else found)  # treelite's own softmax is of single precision


def _without_foreign(X: np.ndarray, codes: np.ndarray, categorical: list[int], known: np.ndarray | None) -> np.ndarray:
    """Return rows without categories that no training row had: to scikit-learn, unlike treelite, these are missing."""
    if known is not None:
        foreign = ~known[np.arange(len(categorical)), codes]
        if foreign.any():
            X = X.copy()
            X[:, categorical] = np.where(foreign, np.nan, X[:, categorical])
    return X


def _linear_tables(model: Any, categorical: list[int]) -> tuple[Any, ...]:
    """Return numeric columns, their medians, means, scales and weights, the codes' weights, and the intercept."""
    columns, classifier = model.named_steps["columns"], model.named_steps["classify"]
    numeric, intercept = columns.transformers_[0][2], classifier.intercept_
    weights = classifier.coef_.T  # of two classes one column, of more one each
    if weights.shape[1] == 1:
        weights, intercept = weights[:, 0], intercept[0]
    impute, scale = (columns.named_transformers_["numeric"].named_steps[step] for step in ("impute", "scale"))
    table, start = np.zeros((len(categorical), _N_CODES, *weights.shape[1:])), len(numeric)
    if "categorical" in columns.named_transformers_:
        for row, categories in zip(table, columns.named_transformers_["categorical"].categories_, strict=True):
            row[_codes(categories)] = weights[start : start + len(categories)]
            start += len(categories)
    # float32, as in scikit-learn's own steps: the last bits would differ otherwise.
    medians, means, scales = (array.astype(np.float32) for array in (impute.statistics_, scale.mean_, scale.scale_))
    return numeric, medians, means, scales, weights[: len(numeric)], table, intercept


def _predict_linear(
    numeric: list[int],
    medians: np.ndarray,
    means: np.ndarray,
    scales: np.ndarray,
    weights: np.ndarray,
    table: np.ndarray,
    intercept: Any,
    X: np.ndarray,
    codes: np.ndarray,
) -> np.ndarray:
    values = X.take(numeric, axis=1)  # row by row in memory, as X[:, numeric] is not: so each is summed alike
    values = np.where(np.isnan(values), medians, values)
    # Not by BLAS: the last bits of its products depend on how many rows there are, and a flight's answer must not.
    scaled = (values - means) / scales
    products = (scaled.reshape(*scaled.shape, *[1] * (weights.ndim - 1)) * weights).sum(axis=1)
    logit = products + table[np.arange(len(table)), codes].sum(axis=1) + intercept
    return np.asarray(expit(logit) if logit.ndim == 1 else softmax(logit, axis=1))


def _codes(values: np.ndarray) -> np.ndarray:
    """Return the tables' columns for codes of categories, as integers of the same shape."""
    valid = (values >= 0) & (values < _MISSING) & (values == np.floor(values))
    return np.where(valid, values, np.where(np.isnan(values), _MISSING, _FOREIGN)).astype(np.intp)
