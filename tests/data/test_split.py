from __future__ import annotations

from datetime import date, timedelta

import pytest

from labkit.data.split import split_days
from labkit.errors import InvalidArgument

YEAR = [date(2013, 1, 1) + timedelta(days=number) for number in range(365)]


def test_every_day_is_in_one_part_only():
    split = split_days(YEAR, seed=1)
    assert sorted([*split.train, *split.valid, *split.test]) == YEAR
    assert (len(split.train), len(split.valid), len(split.test)) == (293, 36, 36)


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_the_days():
    assert split_days(YEAR, seed=1) == split_days(YEAR[::-1], seed=1)
    assert split_days(YEAR, seed=1) != split_days(YEAR, seed=2)


def test_three_days_are_one_a_part():
    split = split_days(YEAR[:3], seed=0)
    assert (len(split.train), len(split.valid), len(split.test)) == (1, 1, 1)


def test_too_few_days_and_days_that_come_twice_are_refused():
    with pytest.raises(InvalidArgument, match="3 days or more"):
        split_days(YEAR[:2], seed=0)
    with pytest.raises(InvalidArgument, match="comes twice"):
        split_days([*YEAR, YEAR[0]], seed=0)
