from __future__ import annotations

import pickle

import pytest

from labkit.errors import InvalidArgument, UnknownName
from labkit.learning.recipes import catalogue


def test_the_catalogue_has_ten_recipes_of_four_families() -> None:
    recipes = catalogue()
    assert len(recipes) >= 10
    assert {recipe.family for recipe in recipes} == {"hgb", "forest", "extra", "logistic"}


def test_only_forests_have_trees_to_split() -> None:
    for recipe in catalogue():
        assert (recipe.n_trees is not None) == (recipe.family in ("forest", "extra"))


def test_recipes_come_in_the_catalogues_order_and_once() -> None:
    names = ["logistic-onehot", "hgb-small", "hgb-small"]
    assert [recipe.name for recipe in catalogue(names)] == ["hgb-small", "logistic-onehot"]


def test_a_misspelt_recipe_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'forest-60'"):
        catalogue(["forrest-60"])


def test_no_recipe_at_all_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one recipe"):
        catalogue([])


def test_a_recipe_travels_between_processes() -> None:
    for recipe in catalogue():
        assert pickle.loads(pickle.dumps(recipe)) == recipe
        assert hash(recipe) == hash(pickle.loads(pickle.dumps(recipe)))
