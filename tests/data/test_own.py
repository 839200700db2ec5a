"""Types, classes and what is said of them, before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from labkit.data.features import MAX_CATEGORIES, Encoder
from labkit.data.own import LABEL, Inspection, fit_encoder, inspect
from labkit.data.source import collect, open_source
from labkit.errors import InvalidArgument, InvalidData
from tests.data import owned


def looked_at(folder: Path, rows: pl.DataFrame | dict, target: str = "y", **choices) -> Inspection:
    path = Path(owned.csv(folder, pl.DataFrame(rows)))
    return inspect(open_source(path, folder), target, **choices)


def of(inspection: Inspection, name: str):
    return next(column for column in inspection.columns if column.name == name)


def column(folder: Path, values: list, **choices):
    """Look at one column beside a target of two classes."""
    found = looked_at(folder, {"c": values, "y": ["no", "yes"] * (len(values) // 2)}, **choices)
    return of(found, "c"), found


def test_types_are_inferred_and_shown(tmp_path):
    found = looked_at(tmp_path, owned.frame(300), "late")
    types = {column.name: column.type for column in found.columns}
    assert types == {
        "x": "number", "día": "date", "grupo": "category", "draw": "boolean", "day": "number", "late": "target",
    }  # fmt: skip
    assert set(found.table.classes) == {"low", "mid", "high"} and found.n_used == 300
    said = "\n".join(found.summary())
    assert "2 number, 1 date, 1 category, 1 boolean" in said and "300 of 300" in said and "'high'" in said


def test_types_can_be_corrected(tmp_path):
    found = looked_at(tmp_path, owned.frame(300), "late", types={"day": "category", "x": "ignore"})
    assert (of(found, "day").type, of(found, "x").type) == ("category", "ignore")
    assert "day" in found.table.categorical and "Left out: x as asked" in found.summary()


@pytest.mark.parametrize(
    ("values", "form", "note"),
    [
        (["2024-01-31", "2024-12-01"], "iso", ""),
        (["2024-01-31T07:45:10Z", "2024-12-01 23:05"], "iso", ""),
        (["31/01/2024", "01/12/2024"], "dmy", "DD/MM/YYYY"),
        (["31.1.2024", "1.12.2024"], "dmy", "DD/MM/YYYY"),
        (["01/31/2024", "12/01/2024"], "mdy", "MM/DD/YYYY"),
        (["03/04/2024", "05/06/2024"], "dmy", "MM/DD/YYYY fits as well"),
    ],
)
def test_dates_are_read_as_their_values_show_and_doubt_is_said(tmp_path, values, form, note):
    found, _ = column(tmp_path, values)
    assert (found.type, found.form) == ("date", form)
    assert note in found.note and not found.fault


def test_a_date_gives_the_same_moment_in_every_form(tmp_path):
    moments = []
    for values in (["2024-01-31 07:45"] * 2, ["31/01/2024 7:45"] * 2, ["01/31/2024T07:45:59"] * 2):
        form = {"2": "date", "3": "date", "0": "date-mdy"}[values[0][0]]
        _, found = column(tmp_path, values, types={"c": form})
        moments.append(collect(found.rows())["c"][0])
    assert len(set(moments)) == 1 and (moments[0].hour, moments[0].minute, moments[0].day) == (7, 45, 31)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["31/01/2024", "2024-01-31"], "c mixes ways of writing dates"),
        (["31/01/2024", "01/31/2024"], "1 fit DD/MM/YYYY, 1 fit MM/DD/YYYY of 2"),
        (["1", "2", "3", "4", "5", "n.a."], "c is mixed: 5 values are a number, 1 are not, such as 'n.a.'"),
        (["2024-01-01", "2024-01-02", "2024-01-03", "soon"], "3 values are a date, 1 are not, such as 'soon'"),
    ],
)
def test_a_mixed_column_is_refused_until_somebody_says_what_it_is(tmp_path, values, message):
    _, found = column(tmp_path, values)
    with pytest.raises(InvalidData, match=f"{message}.*--types"):
        found.check()
    _, corrected = column(tmp_path, values, types={"c": "category"})
    corrected.check()


def test_what_does_not_fit_an_asked_type_is_missing_and_counted(tmp_path):
    found, inspection = column(tmp_path, ["1", "2", "3", "x"], types={"c": "number"})
    assert "1 values that are no number: they count as missing" in found.note
    assert collect(inspection.rows())["c"].to_list() == [1.0, 2.0, 3.0, None]
    hopeless, _ = column(tmp_path, ["a", "b"], types={"c": "date"})
    assert "no value that is a date" in hopeless.fault


def test_nan_is_missing_and_infinities_are_too_and_are_counted(tmp_path):
    found, inspection = column(tmp_path, [1.5, float("inf"), float("-inf"), float("nan")])
    assert found.type == "number" and found.missing == 0.25
    assert "2 infinite values" in found.note
    assert collect(inspection.rows())["c"].to_list() == [1.5, None, None, None]


def test_columns_that_teach_nothing_are_left_out_with_the_reason(tmp_path):
    rows = {"id": [f"u{n}" for n in range(40)], "same": ["x"] * 40, "none": [None] * 40, "a": range(40)}
    found = looked_at(tmp_path, {**rows, "y": ["no", "yes"] * 20})
    assert found.table.numeric == ("a",) and found.table.categorical == ()
    said = "\n".join(found.summary())
    assert "id has another value in almost every row" in said and "same is the same in every row" in said
    assert "none has no value at all" in said


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"] * 6, "is 'a' in every row"),
        ([None] * 6, "has no value at all"),
        ([f"c{n}" for n in range(10_000)], r"values: it looks like a number to estimate \(regression\) or an id"),
        ([n / 7 for n in range(150)], "looks like a number to estimate"),
    ],
)
def test_a_target_that_is_no_set_of_classes_is_refused(tmp_path, labels, message):
    with pytest.raises(InvalidData, match=message):
        looked_at(tmp_path, {"a": range(len(labels)), "y": pl.Series(labels, strict=False)})


def test_labels_that_are_numbers_are_the_same_however_they_are_written(tmp_path):
    (path := tmp_path / "own.csv").write_text("a,y\n1,0\n2,1.0\n3,10\n4,2\n5,0.50\n")
    assert inspect(open_source(path, tmp_path), "y").table.classes == ("0", "0.5", "1", "2", "10")


def test_rows_without_target_or_time_are_left_out_and_counted(tmp_path):
    rows = owned.frame(300).with_row_index("n").with_columns(
        late=pl.when(pl.col("n") >= 5).then("late"), día=pl.when(pl.col("n").is_between(3, 9).not_()).then("día")
    )  # fmt: skip
    found = looked_at(tmp_path, rows.drop("n"), "late", time_column="día")
    assert (found.n_rows, found.n_used, found.n_without_time) == (300, 290, 5)
    assert "290 of 300 used, 5 without target left out, 5 without día left out" in "\n".join(found.summary())
    assert collect(found.rows())[LABEL].null_count() == 0


def test_a_column_that_is_not_there_is_answered_with_the_near_one(tmp_path):
    for choice in (
        {"target": "lates"},
        {"target": "late", "time_column": "dia"},
        {"target": "late", "types": {"X": "number"}},
    ):
        with pytest.raises(InvalidArgument, match="There is no column"):
            looked_at(tmp_path, owned.frame(50), **choice)
    with pytest.raises(InvalidArgument, match="Did you mean 'late'"):
        looked_at(tmp_path, owned.frame(50), "lates")


@pytest.mark.parametrize("types", [{"x": "float"}, {"late": "category"}])
def test_a_type_that_there_is_not_and_one_of_the_target_are_refused(tmp_path, types):
    with pytest.raises(InvalidArgument, match="number, boolean, category"):
        looked_at(tmp_path, owned.frame(50), "late", types=types)


def test_a_time_column_that_is_no_date_is_refused(tmp_path):
    with pytest.raises(InvalidData, match="grupo is category, and the time column must be a date"):
        looked_at(tmp_path, owned.frame(50), "late", time_column="grupo").check()
    mixed = pl.Series(["2024-01-31", "31/01/2024"] * 25)
    with pytest.raises(InvalidData, match="día mixes ways of writing dates"):
        looked_at(tmp_path, owned.frame(50).with_columns(día=mixed), "late", time_column="día").check()


def test_a_column_called_like_a_feature_of_a_date_is_refused(tmp_path):
    rows = owned.frame(50).with_columns(pl.lit(1.0).alias("día[month]") + pl.col("x"))
    with pytest.raises(InvalidData, match=r"día\[month\] is also what a feature made of a date is called"):
        looked_at(tmp_path, rows, "late").check()


def test_names_without_rows_are_refused(tmp_path):
    with pytest.raises(InvalidData, match="no rows below"):
        looked_at(tmp_path, owned.frame(50).clear(), "late")


@pytest.fixture
def many(tmp_path):
    codes = [f"v{n % 400:03d}" for n in range(4000)] + ["often"] * 100
    found = looked_at(tmp_path, {"c": codes, "y": ["no", "yes"] * 2050})
    rows = collect(found.rows())
    return found, rows, *fit_encoder(found.table, rows.lazy())


def test_rare_categories_share_one_code_and_it_is_said(many):
    found, rows, encoder, notes = many
    assert len(encoder.categories["c"]) == MAX_CATEGORIES - 1 and "often" in encoder.categories["c"]
    assert "401 categories, models take 254: the rare share one code" in notes[0]
    X = encoder.transform(found.table.clean(pl.DataFrame({"c": ["often", "v399", "new", None]}), only_known=True)).X
    assert X[1, 0] == X[2, 0] == MAX_CATEGORIES - 1 and np.isnan(X[3, 0]) and X[0, 0] < MAX_CATEGORIES - 1


def test_the_encoder_of_own_data_survives_json(many):
    found, rows, encoder, _ = many
    again = Encoder.from_json(encoder.to_json())
    assert again == encoder and again.n_classes == 2


def test_rows_to_predict_may_come_as_text_or_in_types(tmp_path):
    found = looked_at(tmp_path, rows := owned.frame(300), "late")
    encoder, _ = fit_encoder(found.table, found.rows())
    native = encoder.transform(found.table.clean(rows.drop("late"), only_known=True))
    text = encoder.transform(found.table.clean(rows.drop("late").select(pl.all().cast(pl.String)), only_known=True))
    assert native.digest() == text.digest() and len(native.y) == 0 and native.n_classes == 3


def test_rows_that_do_not_fit_are_refused_with_all_their_faults(tmp_path):
    found = looked_at(tmp_path, rows := owned.frame(300), "late")
    with pytest.raises(InvalidData, match="grupo is missing"):
        found.table.clean(rows.drop("grupo"))
    wrong = rows.with_columns(x=pl.lit("tall"), late=pl.lit("never"))
    with pytest.raises(InvalidData, match=r"x has 300 values that do not fit.*late has 300 values"):
        found.table.clean(wrong)
