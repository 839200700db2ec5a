from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from labkit.data.features import Encoder
from labkit.data.flights import clean
from labkit.errors import InvalidData


@pytest.fixture(scope="module")
def rows(flights):
    return clean(flights)


@pytest.fixture(scope="module")
def encoder(rows):
    return Encoder.fit(rows)


def test_a_block_is_float32_in_c_order_with_a_name_a_column(rows, encoder):
    block = encoder.transform(rows)
    assert block.X.dtype == np.float32
    assert block.X.flags.c_contiguous
    assert block.X.shape == (len(rows), len(block.names)) == (block.n_rows, 24)
    assert block.y.dtype == np.uint8
    assert block.y.tolist() == rows["late"].to_list()


def test_values_stand_under_their_names(rows, encoder):
    block = encoder.transform(rows)
    assert np.array_equal(block.X[:, block.names.index("distance")], rows["distance"].to_numpy().astype(np.float32))
    codes = block.X[:, block.names.index("carrier")].astype(int)
    assert [encoder.categories["carrier"][code] for code in codes] == rows["carrier"].to_list()


def test_categorical_columns_are_the_last_ones(encoder):
    assert [encoder.names[index] for index in encoder.categorical] == list(encoder.categories)


def test_a_missing_value_is_nan_in_numbers_and_in_categories(rows, encoder):
    block = encoder.transform(rows)
    for name in ("wind_gust", "manufacturer"):
        missing = np.isnan(block.X[:, block.names.index(name)])
        assert 0 < missing.sum() < len(rows)
        assert missing.tolist() == rows[name].is_null().to_list()


def test_a_category_not_seen_in_training_is_nan_and_others_keep_their_code(rows):
    seen = rows.filter(pl.col("carrier") != "UA")
    encoder = Encoder.fit(seen)
    codes = encoder.transform(rows).X[:, encoder.names.index("carrier")]
    assert np.isnan(codes).tolist() == (rows["carrier"] == "UA").to_list()
    assert np.array_equal(codes[~np.isnan(codes)], encoder.transform(seen).X[:, encoder.names.index("carrier")])


def test_a_column_without_any_value_in_training_is_all_nan(rows):
    empty = rows.with_columns(manufacturer=pl.lit(None, pl.String))
    encoder = Encoder.fit(empty)
    assert np.isnan(encoder.transform(rows).X[:, encoder.names.index("manufacturer")]).all()


def test_rows_to_predict_have_features_and_no_labels(flights, rows, encoder):
    known = clean(flights.drop("late"), only_known=True)
    block = encoder.transform(known)
    assert len(block.y) == 0
    assert np.array_equal(block.X, encoder.transform(rows).X, equal_nan=True)


def test_one_row_and_no_rows_can_be_encoded(rows, encoder):
    assert encoder.transform(rows.head(1)).X.shape == (1, 24)
    assert encoder.transform(rows.clear()).X.shape == (0, 24)


def test_the_encoder_survives_json_and_pickle(rows, encoder):
    again = Encoder.from_json(encoder.to_json())
    assert again == encoder == pickle.loads(pickle.dumps(encoder))
    assert again.transform(rows).digest() == encoder.transform(rows).digest()


def test_what_own_data_need_is_not_in_the_encoder_of_flights(encoder):
    assert list(json.loads(encoder.to_json())) == ["numeric", "categories"]  # or the flights' digest would be another


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"numeric": [], "categories": 3}'])
def test_json_that_is_no_encoder_is_refused(text):
    with pytest.raises(InvalidData, match="not an encoder"):
        Encoder.from_json(text)


def test_the_digest_sees_features_and_labels(rows, encoder):
    block, other = encoder.transform(rows), encoder.transform(rows)
    assert block.digest() == other.digest()
    other.y[0] ^= 1
    assert block.digest() != other.digest()
    other.y[0] ^= 1
    other.X[0, 0] += 1
    assert block.digest() != other.digest()


def test_raw_rows_are_refused_with_what_they_lack(flights, encoder):
    with pytest.raises(InvalidData, match="weekday"):
        encoder.transform(flights)


def test_more_categories_than_models_take_are_refused(rows):
    with pytest.raises(InvalidData, match="tailnum has"):
        Encoder.fit(rows, categorical=("tailnum",))


def test_a_process_that_gets_a_block_need_not_load_polars():
    code = "import sys, labkit.data.features; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
