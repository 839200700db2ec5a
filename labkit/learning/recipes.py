"""The catalogue of models: names, families and parameters, read from `recipes.toml`."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.errors import InvalidArgument, UnknownName


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to make one member of an ensemble.

    Parameters
    ----------
    name : str
        As the catalogue has it.
    family : str
        "hgb" (histogram gradient boosting), "forest" (random forest), "extra" (extremely randomised trees) or
        "logistic" (logistic regression).
    parameters : mapping of str to Any
        What the family's estimator takes.
    reference_s : float
        Time of one fit on the reference rows, in seconds.
    n_trees : int, optional
        Trees of a forest; None for what cannot be split into trees.
    """

    name: str
    family: str
    parameters: Mapping[str, Any] = dataclasses.field(hash=False)
    reference_s: float
    n_trees: int | None = None


def catalogue(names: Sequence[str] | None = None) -> tuple[Recipe, ...]:
    """Return the recipes asked for, in the catalogue's order; all of them by default.

    Raises
    ------
    UnknownName
        If there is no recipe of that name.
    InvalidArgument
        If no recipe is asked for.

    Examples
    --------
    >>> [recipe.family for recipe in catalogue(["logistic-onehot", "hgb-small"])]
    ['hgb', 'logistic']
    """
    written = tomllib.loads(Path(__file__).with_name("recipes.toml").read_text("utf-8"))
    if names is None:
        names = list(written)
    if not names:
        raise InvalidArgument(f"An ensemble needs at least one recipe. Take some of: {', '.join(written)}.")
    for name in names:
        if name not in written:
            near = difflib.get_close_matches(name, written, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownName(f"There is no recipe {name!r}.{hint} The catalogue has: {', '.join(written)}.")
    return tuple(Recipe(name, **written[name]) for name in written if name in set(names))
