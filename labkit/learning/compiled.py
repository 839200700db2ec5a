"""An ensemble for small requests: the same answer as scikit-learn's, without its checks and copies.

Trees run in treelite, linear members as sums of looked-up weights. From some hundred rows on scikit-learn is as fast.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import treelite
from scipy.special import expit, softmax

from labkit.learning.ensemble import Ensemble, as_features, mix, no_probabilities
from labkit.learning.fitting import spread

# Codes of categories are 0–254; tables have two more columns.
_MISSING, _FOREIGN, _N_CODES = 255, 256, 257

_Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


class CompiledEnsemble:
    """What `compile_ensemble` makes of an ensemble."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.weights, self.n_features = ensemble.weights, len(ensemble.feature_names)
        self.categorical = list(ensemble.categorical)
        self.n_classes = ensemble.n_classes
        self._members = [_compiled(model, self.categorical) for model in ensemble.models]
        if self.n_classes > 2:
            known = [model.classes_ for model in ensemble.models]
            self._members = [
                functools.partial(_predict_classes, member, classes, self.n_classes)
                for member, classes in zip(self._members, known, strict=True)
            ]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities as `Ensemble.predict_proba` does, for features of shape (n_rows, n_features)."""
        X = as_features(X, self.n_features)
        if not len(X):
            return no_probabilities(self.n_classes)
        codes = _codes(X[:, self.categorical])
        return mix(self.weights, (member(X, codes) for member in self._members))


def compile_ensemble(ensemble: Ensemble) -> CompiledEnsemble:
    """Return an ensemble that answers as this one does, within 1e-12, sooner.

    Parameters
    ----------
    ensemble : Ensemble
        Of models that `fit_model` made; forests may be merged.
    """
    return CompiledEnsemble(ensemble)


def _compiled(model: Any, categorical: list[int]) -> _Predict:
    if hasattr(model, "named_steps"):
        return functools.partial(_predict_linear, *_linear_tables(model, categorical))
    with np.errstate(invalid="ignore"):  # treelite casts the category NaN to an integer, and does not use it
        trees = treelite.sklearn.import_model(model)
    encoder, boosted = getattr(model, "_preprocessor", None), hasattr(model, "_baseline_prediction")
    if encoder is None:  # what is not gradient boosting with categories
        return functools.partial(_predict_trees, trees, boosted, len(model.classes_))
    known = np.zeros((len(categorical), _N_CODES), dtype=bool)
    for row, categories in zip(known, encoder.named_transformers_["encoder"].categories_, strict=True):
        row[_codes(categories)] = True
    return functools.partial(_predict_boosted, trees, len(model.classes_), categorical, known)


def _predict_classes(
    member: _Predict, classes: np.ndarray, n_classes: int, X: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    found = member(X, codes)
    return spread(np.column_stack([1 - found, found]) if found.ndim == 1 else found, classes, n_classes)


def _predict_trees(
    trees: treelite.Model, boosted: bool, n_classes: int, X: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    # Of two classes shape (n_rows, 1, 2) of a forest, (n_rows, 1, 1) of boosting: the last is the second's probability.
    if n_classes == 2:
        return np.asarray(treelite.gtil.predict(trees, X, nthread=1)[:, 0, -1])
    found = treelite.gtil.predict(trees, X, nthread=1, pred_margin=boosted)[:, 0, :]
    return np.asarray(softmax(found, axis=1) if boosted else found)  # treelite's own softmax is of single precision


def _predict_boosted(
    trees: treelite.Model, n_classes: int, categorical: list[int], known: np.ndarray, X: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    # A category that was not in the training rows is missing to scikit-learn, but just another one to treelite.
    foreign = ~known[np.arange(len(categorical)), codes]
    if foreign.any():
        X = X.copy()
        X[:, categorical] = np.where(foreign, np.nan, X[:, categorical])
    return _predict_trees(trees, True, n_classes, X, codes)


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
    values = X[:, numeric]
    values = np.where(np.isnan(values), medians, values)
    logit = ((values - means) / scales) @ weights + table[np.arange(len(table)), codes].sum(axis=1) + intercept
    return np.asarray(expit(logit) if logit.ndim == 1 else softmax(logit, axis=1))


def _codes(values: np.ndarray) -> np.ndarray:
    """Return the tables' columns for codes of categories, as integers of the same shape."""
    valid = (values >= 0) & (values < _MISSING) & (values == np.floor(values))
    return np.where(valid, values, np.where(np.isnan(values), _MISSING, _FOREIGN)).astype(np.intp)
