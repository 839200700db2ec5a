from __future__ import annotations

from datetime import date, timedelta

import pytest

from labkit.data.scale import bootstrap_days
from labkit.errors import InvalidArgument

DAYS = [date(2013, 1, 1) + timedelta(days=number) for number in range(100)]


def test_scale_one_is_the_days_themselves():
    assert bootstrap_days(DAYS, 1, seed=3) == [DAYS]


def test_every_year_is_drawn_with_replacement_and_of_full_length():
    years = bootstrap_days(DAYS, 3, seed=3)
    assert [len(year) for year in years] == [100, 100, 100]
    for year in years:
        assert set(year) < set(DAYS)
    assert years[0] != years[1] != years[2]


def test_a_larger_scale_begins_with_the_same_years():
    assert bootstrap_days(DAYS, 5, seed=3)[:2] == bootstrap_days(DAYS, 2, seed=3)
    assert bootstrap_days(DAYS, 2, seed=3) != bootstrap_days(DAYS, 2, seed=4)


@pytest.mark.parametrize("scale", [0, -1, 1001, 10**30, 1.5, True, "2", None])
def test_a_scale_that_makes_no_sense_is_refused(scale):
    with pytest.raises(InvalidArgument, match="1 to 1000"):
        bootstrap_days(DAYS, scale, seed=3)
