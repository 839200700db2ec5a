"""Notebooks as recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

import labkit
from labkit.classroom.exercises import VERDICT
from labkit.cli.notebooks import assignments
from labkit.errors import InvalidArgument, StorageError, TaskFailed
from labkit.lab import Lab
from labkit.notebooks import (
    AGREES,
    DIFFERS,
    UNDECIDED,
    all_notebooks,
    parameters_of,
    read_suite,
    results_of,
    run_notebook,
    typed,
    verify,
)
from labkit.runner import notebook, notebooks
from labkit.scaling.benchmark import measuring_lease

SPEEDUPS = notebook("04")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return labkit.start(home=tmp_path, lang="en")


def test_a_notebook_tells_its_parameters_and_their_defaults() -> None:
    assert parameters_of(SPEEDUPS)["workers"] == [1, 2] and parameters_of(SPEEDUPS)["recipes"] is None


def test_every_notebook_of_the_course_says_its_language_and_home_by_parameters() -> None:
    for source in notebooks().values():
        assert {"lang", "home"} <= set(parameters_of(source)), source.stem


def test_a_cell_that_fails_after_the_measurement_fails_the_run_and_keeps_what_was_measured(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = "import labkit\nlabkit.start(home=home).runs.update(run_id, results={'digest': 'abc'})"
    book = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in ("run_id = home = lang = None", measured, "1 / 0")]
    book.cells[0].metadata["tags"] = ["parameters"]
    path = tmp_path_factory.mktemp("apart") / "measures.ipynb"
    nbformat.write(book, path)
    monkeypatch.setattr("labkit.notebooks.notebook", lambda *_: path)
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        run_notebook(lab, "measures", {}, timeout_s=120)
    (run,) = lab.runs.list("benchmark")
    assert (run.status, run.results) == ("failed", {"digest": "abc"})
    assert lab.runs.artefacts(run.id) == ["measures.ipynb"]


def test_a_benchmark_that_waits_for_another_one_says_so(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # the lease of this machine would hold up other tests
    told: list[str] = []

    class Waiting:
        def run(self, source: Path, target: Path, *_: Any, on_wait: Any, **__: Any) -> None:
            with measuring_lease("measure run other").acquired():
                on_wait()
            on_wait()
            nbformat.write(nbformat.v4.new_notebook(), target)

    run_notebook(lab, "04", {}, timeout_s=60, runner=Waiting(), on_progress=lambda what, _: told.append(what))  # type: ignore[arg-type]
    (run,) = lab.runs.list("benchmark")
    assert told[0].startswith(f"{run.id} waits: process ") and "measure run other" in told[0] and told[1] == run.id


def test_parameters_are_read_in_the_types_of_the_notebook(lab: Lab) -> None:
    given = assignments(["days=7", "workers=[1]", "engine=dask", "latency_s=0.5", "recipes=None", "weak = True"])
    assert typed(SPEEDUPS, given) == {
        "days": 7, "workers": [1], "engine": "dask", "latency_s": 0.5, "recipes": None, "weak": True
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("days=two", "days is int, such as 30, not 'two'"),
        ("days=1.5", "days is int, such as 30, not 1.5"),
        ("days=True", "days is int"),
        ("workers=2", r"workers is list, such as \[1, 2\], not 2"),
        ("day=3", "no parameter 'day', perhaps 'days' is meant"),
        ("home=/tmp", "no parameter 'home'"),
        ("days", "written -p key=value"),
        ("=3", "written -p key=value"),
    ],
)
def test_a_wrong_parameter_is_told_with_what_the_notebook_takes(text: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        typed(SPEEDUPS, assignments([text]))


def test_the_whole_course_takes_what_one_of_its_notebooks_has(lab: Lab) -> None:
    suite = all_notebooks(lab, {"rounds": 1})
    assert set(suite) == set(notebooks()) and suite["04_speedup_tables"] == {"rounds": 1}
    with pytest.raises(InvalidArgument, match="No notebook has a parameter nothing"):
        all_notebooks(lab, {"nothing": 1})


def test_a_suite_is_a_table_for_each_notebook(tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text('["01"]\ndays = 10\n["04"]\nworkers = [1]\n')
    assert read_suite(suite) == {"01": {"days": 10}, "04": {"workers": [1]}}


@pytest.mark.parametrize("content", ["", "days = 3", "[", "\x00"])
def test_a_file_that_is_no_suite_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "suite.toml").write_text(content)
    with pytest.raises(InvalidArgument, match="is no suite"):
        read_suite(tmp_path / "suite.toml")
    with pytest.raises(StorageError, match="cannot be read"):
        read_suite(tmp_path / "none.toml")


def test_an_executed_notebook_tells_the_seconds_of_its_cells_and_what_its_checks_said(lab: Lab) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), nbformat.v4.new_code_cell("1")])
    verdict = labkit.check("4.4", lambda s, n: (1 / s - 1 / n) / (1 - 1 / n))._repr_mimebundle_()
    book.cells[1].metadata["papermill"] = {"duration": 1.5}
    book.cells[1].outputs = [nbformat.v4.new_output("execute_result", verdict)]
    assert VERDICT in verdict and results_of(book) == {"cell_s": [1.5], "checks": {"4.4": "right"}}


def benchmark(digest: str = "a", low: float = 1.6, high: float = 1.8) -> dict[str, Any]:
    row = {"n_workers": 2, "speedup": 1.7, "spread": {"low": low, "high": high}}
    return {"results": {"digest": digest, "tables": {"ray": [row]}}}


@pytest.mark.parametrize(
    ("again", "verdict"),
    [
        (benchmark(), AGREES),
        (benchmark(low=1.75, high=1.9), AGREES),
        (benchmark(low=1.9, high=2.0), UNDECIDED),
        (benchmark("b"), DIFFERS),
        (benchmark("b", low=1.9, high=2.0), DIFFERS),
    ],
)
def test_a_repetition_differs_by_its_digest_alone(again: dict[str, Any], verdict: str) -> None:
    assert verify(benchmark(), again)[0] == verdict


def test_a_repetition_with_another_verdict_of_a_check_differs() -> None:
    before, after = ({"results": {"cell_s": [1.0], "checks": {"1.1": state}}} for state in ("right", "not_yet"))
    assert verify(before, after)[0] == DIFFERS and verify(before, before)[0] == AGREES
