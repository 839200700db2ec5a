from __future__ import annotations

import polars as pl
import pytest

from labkit.data.flights import load_flights


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    """Real flights of 20 days."""
    return load_flights(20)
