"""How long a fit will take: a guess that orders the tasks, the longest first."""

from __future__ import annotations

import dataclasses
import functools
import timeit
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from labkit.errors import InvalidArgument
from labkit.learning.fitting import Fit, fit_model, plan_fits
from labkit.learning.recipes import Recipe

if TYPE_CHECKING:
    from labkit.data.features import FeatureBlock

REFERENCE_ROWS = 260_912
REFERENCE_FEATURES = 24
# How time grows with rows and with features: trees sort rows, and try only some features at a node.
_EXPONENTS = {"hgb": (0.8, 1.0), "forest": (1.15, 0.5), "extra": (1.15, 0.5), "logistic": (1.0, 1.0)}


def cost_s(
    fit: Fit, n_rows: int, n_features: int, calibration: Mapping[str, float] | None = None, n_classes: int = 2
) -> float:
    """Estimate the time of one fit.

    Parameters
    ----------
    fit : Fit
        A part of a forest costs its share of the trees.
    n_rows, n_features : int
        Both at least 1.
    calibration : mapping of str to float, optional
        This host's factors, by recipe, from `calibrate`; a recipe that it lacks counts with factor 1.
    n_classes : int
        From 2 on: from 3 on boosting grows a tree for each class, and a linear model has weights for each.

    Returns
    -------
    float
        Seconds on one thread.

    Raises
    ------
    InvalidArgument
        If there are no rows or no features.

    Examples
    --------
    >>> from labkit.learning.recipes import catalogue
    >>> fits = plan_fits(catalogue(["forest-60"]), seed=0)
    >>> round(cost_s(fits[0], 260_912, 24), 2), round(sum(cost_s(fit, 260_912, 24) for fit in fits), 2)
    (3.27, 9.8)
    """
    if n_rows < 1 or n_features < 1:
        raise InvalidArgument(f"A fit needs rows and features, got {n_rows} and {n_features}.")
    by_rows, by_features = _EXPONENTS[fit.recipe.family]
    share = (fit.n_trees or 1) / (fit.recipe.n_trees or 1)
    size: float = (n_rows / REFERENCE_ROWS) ** by_rows * (n_features / REFERENCE_FEATURES) ** by_features
    if n_classes > 2 and fit.recipe.family in ("hgb", "logistic"):
        size *= n_classes
    return fit.recipe.reference_s * share * size * (calibration or {}).get(fit.recipe.name, 1.0)


def calibrate(
    block: FeatureBlock, categorical: tuple[int, ...], recipes: Iterable[Recipe], n_rows: int = 8000, seed: int = 0
) -> dict[str, float]:
    """Fit each recipe on a sample and compare with the estimate.

    Parameters
    ----------
    block : FeatureBlock
        Where the sample is drawn from, without replacement.
    categorical : tuple of int
        Which columns hold codes of categories.
    recipes : iterable of Recipe
        Of a forest, the first part is fitted.
    n_rows : int
        Size of the sample, at least 1; the whole block if that is smaller. A row of each class is always in it.
    seed : int
        Draws the sample.

    Returns
    -------
    dict of str to float
        Measured over estimated time, by recipe: above 1 is slower than the reference.
    """
    drawn = np.random.default_rng(seed).permutation(len(block.y))[:n_rows]
    chosen = np.union1d(drawn, np.unique(block.y, return_index=True)[1])
    sample = dataclasses.replace(block, X=block.X[chosen], y=block.y[chosen])
    first = [fit for fit in plan_fits(tuple(recipes), seed) if fit.part == 0]
    # The faster of two: the first fit of a family pays for its imports too.
    return {
        fit.recipe.name: min(timeit.repeat(functools.partial(fit_model, fit, sample, categorical), number=1, repeat=2))
        / cost_s(fit, len(sample.X), sample.X.shape[1], n_classes=block.n_classes)
        for fit in first
    }
