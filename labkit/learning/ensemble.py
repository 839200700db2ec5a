"""The vote: members' probabilities, weighted by how well each ranked the validation rows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from labkit.errors import InvalidArgument
from labkit.learning.fitting import probabilities
from labkit.learning.scores import Scores


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
    """A fitted model and how it did on the validation rows.

    Parameters
    ----------
    fit_name : str
        Its name in the ensemble.
    model : Any
        A fitted scikit-learn classifier.
    probability : ndarray of float64, shape (n_valid,) or (n_valid, n_classes)
        Of being late; of more than two classes one column each.
    scores : Scores
        Of these probabilities.
    """

    fit_name: str
    model: Any
    probability: np.ndarray
    scores: Scores


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """Models that vote.

    Parameters
    ----------
    names : tuple of str
        Of the members, in the order in which they vote.
    models : tuple
        Fitted scikit-learn classifiers.
    weights : tuple of float
        One a member, 0–1, together 1.
    categorical : tuple of int
        Which columns hold codes of categories.
    feature_names : tuple of str
        One a column.
    n_classes : int
        From 2 on.
    """

    names: tuple[str, ...]
    models: tuple[Any, ...]
    weights: tuple[float, ...]
    categorical: tuple[int, ...]
    feature_names: tuple[str, ...]
    n_classes: int = 2

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities, float64, for features of shape (n_rows, n_features).

        Of two classes those of the second (of being late), shape (n_rows,); of more shape (n_rows, n_classes).
        """
        X = as_features(X, len(self.feature_names))
        if not len(X):
            return no_probabilities(self.n_classes)
        return mix(self.weights, (probabilities(model, X, self.n_classes) for model in self.models))


def vote(members: Sequence[Member]) -> tuple[float, ...]:
    """Weigh members by how much better than guessing they rank: ROC AUC − 0.5, at least 0, made to sum to 1.

    Where no member is better than guessing, all weigh the same.

    Raises
    ------
    InvalidArgument
        If nobody votes.

    Examples
    --------
    >>> from labkit.learning.scores import Scores
    >>> aucs = [0.8, 0.6, 0.4]
    >>> members = [Member("m", None, np.zeros(1), Scores(auc, 0.0, 0.0, 0.0)) for auc in aucs]
    >>> [round(weight, 3) for weight in vote(members)]
    [0.75, 0.25, 0.0]
    """
    if not members:
        raise InvalidArgument("An ensemble needs at least one member.")
    gains = [max(member.scores.roc_auc - 0.5, 0.0) for member in members]
    total = sum(gains)
    return tuple(gain / total if total else 1 / len(members) for gain in gains)


def combine(members: Sequence[Member], categorical: tuple[int, ...], feature_names: tuple[str, ...]) -> Ensemble:
    """Return the ensemble of these members; they vote in this order."""
    names = tuple(member.fit_name for member in members)
    models, weights = tuple(member.model for member in members), vote(members)
    n_classes = 2 if members[0].probability.ndim == 1 else members[0].probability.shape[1]
    return Ensemble(names, models, weights, categorical, feature_names, n_classes)


def mix(weights: Sequence[float], probabilities: Iterable[np.ndarray]) -> np.ndarray:
    """Return the weighted mean of probabilities, all of one shape, summed in the order given.

    The order decides the last bits, so it is always the recipes'.

    Examples
    --------
    >>> mix([0.75, 0.25], [np.array([1.0]), np.array([0.0])])
    array([0.75])
    """
    terms = [weight * probability for weight, probability in zip(weights, probabilities, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return np.clip(total, 0.0, 1.0)  # weights sum to 1 up to rounding only


def digest(probability: np.ndarray) -> str:
    """Return 16 hexadecimal digits that differ wherever one bit of the probabilities does.

    Examples
    --------
    >>> digest(np.array([0.25, 0.5])) == digest(np.array([0.25, 0.5 + 1e-17]))
    True
    >>> digest(np.array([0.25, 0.5])) == digest(np.array([0.25, 0.5 + 2e-16]))
    False
    """
    return hashlib.sha256(np.ascontiguousarray(probability, dtype="<f8").tobytes()).hexdigest()[:16]


def no_probabilities(n_classes: int) -> np.ndarray:
    """Return what is said of no rows."""
    return np.zeros(0 if n_classes == 2 else (0, n_classes))


def as_features(X: np.ndarray, n_features: int) -> np.ndarray:
    """Return features as models know them: float32, of shape (n_rows, n_features).

    Raises
    ------
    InvalidArgument
        If the shape is another.
    """
    if X.ndim != 2 or X.shape[1] != n_features:
        raise InvalidArgument(f"This ensemble knows {n_features} features, so (n_rows, {n_features}); got {X.shape}.")
    return np.require(X, np.float32, ["C"])
