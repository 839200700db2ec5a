"""A user's own data go through the same commands as the flights."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.cli.data import describe
from labkit.cli.own import own_data
from labkit.errors import InvalidArgument
from tests.cli.conftest import Shell
from tests.data import owned

CHOICE = ("--target", "late", "--time-column", "día", "--types", "day=category")


@pytest.fixture
def own(tmp_path: Path) -> tuple[str, ...]:
    rows = owned.frame(900)
    return ("--data", owned.csv(tmp_path, rows.with_columns(copy="late"), "mis datos.csv"), *CHOICE)


def test_own_data_are_described_with_what_would_leak(labkit: Shell, own: tuple[str, ...]) -> None:
    found = labkit.json("data", "describe", *own)
    assert found["n_rows"] == 900 and sum(found["classes"].values()) == 900
    assert {column["name"]: column["type"] for column in found["columns"]}["day"] == "category"
    assert [leak["column"] for leak in found["leaks"]] == ["copy"]
    assert "Split: by whole days of día, the latest for test" in found["summary"]


def test_the_same_is_printed_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "lab"))
    path = owned.csv(tmp_path, owned.frame(300).with_columns(copy="late"))
    describe(data=path, target="late", types="draw=ignore")
    said = capsys.readouterr()
    assert "Leak? copy is the target itself" in " ".join(said.out.split()) and "date iso" in said.out
    assert "Left out: draw as asked" in said.err


def test_own_data_are_trained_and_measured_with_one_digest(labkit: Shell, own: tuple[str, ...]) -> None:
    recipes = ("--recipes", "hgb-small,logistic-numeric")
    prepared = labkit.json("data", "prepare", *own)
    assert prepared["n_rows"] > 600 and any("'high'" in line for line in prepared["summary"])
    trained = labkit.json("train", *own, *recipes, "--engine", "sequential")
    assert trained["data_digest"] == prepared["digest"] and trained["parameters"]["target"] == "late"
    assert 0.5 < trained["results"]["scores"]["roc_auc"] <= 1.0
    measured = labkit.json("bench", *own, *recipes, "--engine", "threads", "--workers", "1", "--rounds", "1")
    assert measured["results"]["digest"] == trained["results"]["digest"]
    assert measured["parameters"]["types"] == {"day": "category"} and measured["artefacts"]
    again = Path(prepared["folder"])
    assert [path.name for path in again.parent.iterdir()] == [again.name]  # nobody prepared it twice
    (first,) = labkit.json("models", "list")
    assert first["promoted"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((None, "late", None, None, None), "name it by --data"),
        (("a.csv", None, None, None, None), "--target"),
        (("a.csv", "late", None, None, 30), "no --days"),
        (("a.csv", "late", None, "day", None), "column=category"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given: tuple, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        own_data(*given)


def test_types_are_read_even_of_names_with_an_equals_sign() -> None:
    assert own_data("a.csv", "y", None, "a=b=number, c=ignore")["types"] == {"a=b": "number", "c": "ignore"}
    assert own_data(None, None, None, None, 30) == {}


def test_a_file_cut_short_is_told_with_the_status_of_data(labkit: Shell, tmp_path: Path) -> None:
    (path := tmp_path / "cut.csv").write_text("a,late\n1,x\n2")
    assert "cut short" in labkit.run("data", "prepare", "--data", str(path), "--target", "late", status=3)
