from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from labkit.errors import InvalidArgument, TaskFailed, UnknownName
from labkit.parallel.service import outliving
from labkit.runner import NotebookRunner, notebook, notebooks


def run_notebook(*order: Any, **options: Any) -> None:
    with NotebookRunner() as runner:
        runner.run(*order, **options)


def notebook_of(folder: Path, *cells: str) -> Path:
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    )
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    book.cells[0].metadata["tags"] = ["parameters"]
    path = folder / "cuaderno ñ.ipynb"
    nbformat.write(book, path)
    return path


def test_parameters_reach_the_notebook_and_the_executed_copy_is_kept(tmp_path: Path) -> None:
    source = notebook_of(tmp_path, "n = 1", "print(n * 2)")
    run_notebook(source, tmp_path / "out.ipynb", {"n": 21, "año": "ñ"}, timeout_s=120)
    outputs = nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs
    assert outputs[0].text == "42\n"


def test_a_cell_that_fails_is_told(tmp_path: Path) -> None:
    source = notebook_of(tmp_path, "n = 1", "raise ValueError('¡ay!')")
    with pytest.raises(TaskFailed, match=r"cell 2: ValueError: ¡ay!"):
        run_notebook(source, tmp_path / "out.ipynb", {}, timeout_s=120)


def test_a_notebook_past_its_limit_is_ended_with_what_it_began(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    source = notebook_of(
        tmp_path,
        "x = 0",
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\ntime.sleep(600)",
    )
    family: list[psutil.Process] = []

    def look() -> None:
        if pids.exists() and not family and len(pids.read_text().split()) == 2:
            family.extend(psutil.Process(int(pid)) for pid in pids.read_text().split())
            deadline.append(time.monotonic())

    deadline: list[float] = []
    with pytest.raises(TaskFailed, match="longer than its limit"):
        run_notebook(source, tmp_path / "out.ipynb", {}, timeout_s=12, on_wait=look)
    assert len(family) == 2 and outliving(family, 5.0) == []


def test_what_a_cell_left_running_ends_with_the_notebook(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begin = "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)"
    source = notebook_of(
        tmp_path, "x = 0", f"import subprocess, sys\n{begin}\nopen({str(pid)!r}, 'w').write(str(child.pid))"
    )
    run_notebook(source, tmp_path / "out.ipynb", {}, timeout_s=120)
    left = [process for process in psutil.process_iter() if process.pid == int(pid.read_text())]
    assert outliving(left, 0.0) == []


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_limit_that_makes_no_sense_is_refused(tmp_path: Path, timeout_s: float) -> None:
    with pytest.raises(InvalidArgument, match="above 0"):
        run_notebook(tmp_path / "none.ipynb", tmp_path / "out.ipynb", {}, timeout_s=timeout_s)


def test_the_notebooks_are_the_same_in_both_languages() -> None:
    assert list(notebooks("en")) == list(notebooks("es")) != []
    assert notebook("04").name == "04_speedup_tables.ipynb"


@pytest.mark.parametrize("name", ["", "zz", "../README", "04_speedup_tables.ipynb"])
def test_an_unknown_notebook_is_refused(name: str) -> None:
    with pytest.raises(UnknownName):
        notebook(name)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="'fr'"):
        notebooks("fr")


def test_a_kernel_has_sockets_that_nobody_else_could_have_taken(tmp_path: Path) -> None:
    told = "from ipykernel.connect import get_connection_info as told\nprint(told(unpack=True)['transport'])"
    run_notebook(notebook_of(tmp_path, "x = 0", told), tmp_path / "out.ipynb", {}, timeout_s=120)
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs[0].text == "ipc\n"


def test_a_long_path_to_temporary_files_leaves_the_kernel_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("año" * 20) / ("b" * 40)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    run_notebook(notebook_of(tmp_path, "x = 0", "print(x)"), tmp_path / "out.ipynb", {}, timeout_s=120)
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs[0].text == "0\n"
