"""Fits: the smallest pieces of training work, and how their results are put together again.

A large forest is cut into groups of trees, always the same ones, whatever the number of workers: so the work can be
spread, and every way of spreading it gives the same forest.
"""

from __future__ import annotations

import copy
import dataclasses
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from labkit.errors import InvalidArgument, InvalidData
from labkit.learning.recipes import Recipe

if TYPE_CHECKING:  # a worker that trains needs no Polars
    from labkit.data.features import FeatureBlock

TREES_A_PART = 20
_MAX_NEWTON_WEIGHTS = 1000

_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Fit:
    """One fit: a recipe, or one part of its trees, with a seed, on all rows or on one shard.

    Parameters
    ----------
    recipe : Recipe
        What to fit.
    seed : int
        The run's seed, at least 0; the fit's own follows from it.
    part, n_parts : int
        Which group of trees, of how many.
    shard : int, optional
        Which shard it is fitted on; None for all rows.
    """

    recipe: Recipe
    seed: int
    part: int = 0
    n_parts: int = 1
    shard: int | None = None

    @property
    def member(self) -> str:
        """Name of the ensemble's member that this fit belongs to."""
        return self.recipe.name if self.shard is None else f"{self.recipe.name}@{self.shard}"

    @property
    def key(self) -> str:
        """Unique within a plan."""
        return self.member if self.n_parts == 1 else f"{self.member}#{self.part + 1}/{self.n_parts}"

    @property
    def n_trees(self) -> int | None:
        """Trees of this part: they differ by one at most from part to part."""
        if self.recipe.n_trees is None:
            return None
        quotient, remainder = divmod(self.recipe.n_trees, self.n_parts)
        return quotient + (self.part < remainder)

    @property
    def random_state(self) -> int:
        """Seed of the estimator; the same in every process, another for each fit of a plan."""
        entropy = [
            self.seed,
            zlib.crc32(self.recipe.name.encode()),
            self.part,
            -1 if self.shard is None else self.shard,
        ]
        return int(np.random.SeedSequence([value + 1 for value in entropy]).generate_state(1)[0])


def plan_fits(recipes: Sequence[Recipe], seed: int, n_shards: int | None = None) -> tuple[Fit, ...]:
    """Return the fits that make an ensemble, in the order in which its members vote.

    Parameters
    ----------
    recipes : sequence of Recipe
        One member each; or one member for each shard.
    seed : int
        At least 0.
    n_shards : int, optional
        Fit each recipe on each of so many shards instead of once on all rows.

    Raises
    ------
    InvalidArgument
        If the seed is negative or there is no shard.

    Examples
    --------
    >>> from labkit.learning.recipes import catalogue
    >>> [fit.key for fit in plan_fits(catalogue(["hgb-small", "forest-60"]), seed=7)]
    ['hgb-small', 'forest-60#1/3', 'forest-60#2/3', 'forest-60#3/3']
    """
    if seed < 0:
        raise InvalidArgument(f"A seed is a whole number from 0 on, not {seed}.")
    if n_shards is not None and n_shards < 1:
        raise InvalidArgument(f"Training by shard needs at least 1 shard, not {n_shards}.")
    shards = [None] if n_shards is None else range(n_shards)
    return tuple(
        Fit(recipe, seed, part, n_parts, shard)
        for recipe in recipes
        for n_parts in [-(-(recipe.n_trees or 1) // TREES_A_PART)]
        for shard in shards
        for part in range(n_parts)
    )


def fit_model(fit: Fit, block: FeatureBlock, categorical: tuple[int, ...]) -> Any:
    """Fit an estimator on one thread: the same bits in every process of one CPU model.

    Parameters
    ----------
    fit : Fit
        What to fit.
    block : FeatureBlock
        `X` of shape (n_rows, n_features), float32, NaN where missing; `y` of shape (n_rows,), numbers of classes.
    categorical : tuple of int
        Which columns hold codes of categories.

    Returns
    -------
    estimator
        A fitted scikit-learn classifier; `probabilities` asks it.

    Raises
    ------
    InvalidData
        If the rows are all of one class, or none.
    """
    if len(np.unique(block.y)) < 2:
        raise InvalidData(
            f"{fit.key}: needs rows of two classes to learn from, late and punctual for one, got {len(block.y):,} rows "
            "of one at most. Take more days, or fewer and larger shards."
        )
    from threadpoolctl import threadpool_limits

    # Sums over several threads would end in other last bits. Linear models learn in double precision.
    with threadpool_limits(1):
        # Shared memory is read-only: scikit-learn 1.9 then refuses missing values in forests, so they get a copy.
        kind = np.float64 if fit.recipe.family == "logistic" else np.float32
        X = np.require(block.X, kind, ["C", "W"])
        empty = np.isnan(X).all(axis=0)
        if (
            empty.any()
        ):  # as in a small shard: scikit-learn cannot bin such a column, and learns nothing from a constant
            X = np.where(empty, kind(0), X)
        return _estimator(fit, X, categorical, block.n_classes).fit(X, block.y)


def probabilities(model: Any, X: np.ndarray, n_classes: int) -> np.ndarray:
    """Return what a fitted model says of rows.

    Returns
    -------
    ndarray of float64, shape (n_rows,) or (n_rows, n_classes)
        Of two classes the probability of the second (of being late), of more one column each; a class that the model
        has not seen, in a small shard for one, has probability 0.
    """
    found = model.predict_proba(X)
    return np.asarray(found[:, 1]) if n_classes == 2 else spread(found, model.classes_, n_classes)


def spread(found: np.ndarray, classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Put the columns of the classes that a model knows in their places among all classes."""
    whole = np.zeros((len(found), n_classes))
    whole[:, classes] = found
    return whole


def merge_parts(trained: Iterable[tuple[Fit, Any]]) -> dict[str, Any]:
    """Join the parts of each member into one estimator, by name, members in the order they come.

    A merged forest's probability is the mean over its trees in part order, so it does not depend on who fitted what.

    Raises
    ------
    InvalidArgument
        If a part is missing or comes twice.
    """
    return {name: _joined([model for _, model in parts]) for name, parts in _by_member(trained).items()}


def merge_probabilities(trained: Iterable[tuple[Fit, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join what the parts of each member predicted, each (n_rows,) or (n_rows, n_classes): the mean weighted by trees.

    Workers have predicted already; this spares predicting again. It equals the merged model up to rounding.

    Raises
    ------
    InvalidArgument
        If a part is missing or comes twice.
    """
    merged: dict[str, np.ndarray] = {}
    for name, parts in _by_member(trained).items():
        total = sum(fit.n_trees or 1 for fit, _ in parts)
        merged[name] = np.sum([(fit.n_trees or 1) / total * probability for fit, probability in parts], axis=0)
    return merged


def _by_member(trained: Iterable[tuple[Fit, _Result]]) -> dict[str, list[tuple[Fit, _Result]]]:
    members: dict[str, list[tuple[Fit, _Result]]] = {}
    for fit, result in trained:
        members.setdefault(fit.member, []).append((fit, result))
    for name, parts in members.items():
        parts.sort(key=lambda pair: pair[0].part)
        found, n_parts = [fit.part + 1 for fit, _ in parts], parts[0][0].n_parts
        if found != list(range(1, n_parts + 1)):
            raise InvalidArgument(f"{name} is made of parts 1 to {n_parts}, got {found}. Fit each of them once.")
    return members


def _joined(models: list[Any]) -> Any:
    if len(models) == 1:
        return models[0]
    forest = copy.copy(models[0])
    forest.estimators_ = [tree for model in models for tree in model.estimators_]
    forest.n_estimators = len(forest.estimators_)
    return forest


def _estimator(fit: Fit, X: np.ndarray, categorical: tuple[int, ...], n_classes: int) -> Any:
    # Imported here: a worker that fits forests only need not load the rest.
    parameters, family, random_state = dict(fit.recipe.parameters), fit.recipe.family, fit.random_state
    if family == "logistic":
        return _logistic(parameters, X, categorical, n_classes)
    from sklearn import ensemble

    if family == "hgb":
        return ensemble.HistGradientBoostingClassifier(
            **parameters,
            early_stopping=False,
            categorical_features=list(categorical) or None,
            random_state=random_state,
        )
    forest = {"forest": ensemble.RandomForestClassifier, "extra": ensemble.ExtraTreesClassifier}[family]
    return forest(n_estimators=fit.n_trees, **parameters, n_jobs=1, random_state=random_state)


def _logistic(parameters: dict[str, Any], X: np.ndarray, categorical: tuple[int, ...], n_classes: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    scaled = Pipeline(
        [("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("scale", StandardScaler())]
    )
    columns: list[tuple[str, Any, list[int]]] = [
        ("numeric", scaled, [column for column in range(X.shape[1]) if column not in categorical])
    ]
    n_weights = len(columns[0][2])
    if parameters.pop("one_hot") and categorical:
        n_weights += int(np.nan_to_num(X[:, categorical]).max(axis=0).sum()) + len(categorical)
        columns.append(("categorical", OneHotEncoder(handle_unknown="ignore"), list(categorical)))
    # Newton's method needs 3 or 4 steps where there are many more rows than columns, but a matrix of all weights².
    if n_weights * (1 if n_classes == 2 else n_classes) > _MAX_NEWTON_WEIGHTS:
        parameters |= {"solver": "lbfgs", "max_iter": 1000}
    classifier = LogisticRegression(**{"solver": "newton-cholesky", **parameters})
    return Pipeline([("columns", ColumnTransformer(columns)), ("classify", classifier)])
