"""However a command ends, nothing of it goes on and nothing half done is left."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from labkit.learning.fitting import plan_fits
from labkit.learning.recipes import catalogue
from labkit.parallel.service import answers, free_port, outliving
from tests.cli.conftest import Shell, shell_at
from tests.costs import give_costs

PHASES = {
    "flights": "Flights …",
    "head": "Ray head …",
    "jupyter": "JupyterLab …",
    "services": "Services …",
    "training": "Training …",
    "benchmark": "Benchmark …",
}


class Followed:
    """A `labkit lab` whose output is read line by line, and whose processes are remembered."""

    def __init__(self, shell: Shell) -> None:
        self.ports = [free_port() for _ in range(3)]
        port, ray_port, api_port = map(str, self.ports)
        ports = ("--port", port, "--ray-port", ray_port, "--api-port", api_port)
        self.popen = shell.start("lab", *ports, "--no-browser")
        self.family: list[psutil.Process] = []
        self.said: list[str] = []

    def wait_for(self, text: str) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.said.append(line)
            self.look()
            if text in line:
                return
        raise AssertionError(f"{text!r} was never said:\n{''.join(self.said)}")

    def look(self) -> None:
        known = set(self.family)
        self.family += [
            child for child in psutil.Process(self.popen.pid).children(recursive=True) if child not in known
        ]

    def end(self, number: int) -> int:
        time.sleep(0.7)
        self.look()
        self.popen.send_signal(number)
        rest, _ = self.popen.communicate(timeout=60)
        self.said.append(rest)
        return self.popen.returncode


@pytest.fixture(scope="module")
def with_a_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lab that has a model, so that nothing has to be trained before the benchmark."""
    shell = shell_at(give_costs(tmp_path_factory.mktemp("model") / "lab"))
    shell.run("train", "--days", "12", "--recipes", "logistic-numeric", "--engine", "sequential")
    return shell.home


@pytest.fixture
def lab(labkit: Shell, with_a_model: Path, request: pytest.FixtureRequest) -> Iterator[Followed]:
    if "benchmark" in request.node.name:
        shutil.copytree(with_a_model, labkit.home)
    followed = Followed(labkit)
    yield followed
    followed.popen.kill()
    followed.popen.wait()
    for process in followed.family:
        if outliving([process], 0.0):
            process.kill()
    assert followed.popen.stdout is not None
    followed.popen.stdout.close()


def assert_gone(family: list[psutil.Process], timeout_s: float) -> None:
    """Check that processes have ended; of one that has not, say what it is."""
    left = outliving(family, timeout_s)
    said = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            said.append(" ".join(process.cmdline()))
    assert not said, "\n".join(said)


def assert_nothing_is_left(lab: Followed, home: Path) -> None:
    assert_gone(lab.family, 10.0)
    assert not any(answers("127.0.0.1", port) for port in lab.ports)
    assert list(home.rglob(".labkit-*.part")) == []
    assert not (home / "head.json").exists()


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_ends_everything_in_each_phase(labkit: Shell, lab: Followed, phase: str) -> None:
    lab.wait_for(PHASES[phase])
    assert lab.end(signal.SIGINT) == 130, "".join(lab.said)
    assert "labkit: ended." in "".join(lab.said) and "Traceback" not in "".join(lab.said)
    assert_nothing_is_left(lab, labkit.home)
    for run in labkit.json("runs", "list"):
        assert run["status"] in ("finished", "interrupted")


def test_sigterm_ends_everything_too(labkit: Shell, lab: Followed) -> None:
    lab.wait_for(PHASES["head"])
    assert lab.end(signal.SIGTERM) == 130
    assert_nothing_is_left(lab, labkit.home)


def test_a_killed_lab_takes_jupyter_and_ray_with_it(labkit: Shell, lab: Followed) -> None:
    lab.wait_for(PHASES["training"])
    assert lab.end(signal.SIGKILL) == -signal.SIGKILL
    assert_gone(lab.family, 20.0)
    assert {run["status"] for run in labkit.json("runs", "list")} <= {"interrupted"}


def test_a_second_lab_is_refused_while_one_runs(labkit: Shell, lab: Followed) -> None:
    lab.wait_for("Flights …")
    said = labkit.run("lab", "--port", str(free_port()), "--api-port", str(free_port()), status=7)
    assert "Cannot open this lab now: process" in said
    assert lab.end(signal.SIGINT) == 130


def test_a_training_that_was_killed_is_resumed_and_fits_nothing_twice(labkit: Shell) -> None:
    give_costs(labkit.home)
    recipes = "hgb-medium,hgb-slow,forest-20,extra-20,forest-60,logistic-numeric"
    n_fits = len(plan_fits(catalogue(recipes.split(",")), seed=0))
    choice = ("train", "--days", "15", "--recipes", recipes, "--engine", "processes", "--workers", "1")
    with labkit.start(*choice) as driver:
        database = labkit.home / "lab.db"
        until = time.monotonic() + 120
        while not (database.exists() and n_kept(labkit) >= 3) and time.monotonic() < until:
            time.sleep(0.02)  # soon enough to leave fits undone
        driver.send_signal(signal.SIGKILL)
    (run,) = labkit.json("runs", "list")
    assert run["status"] == "interrupted"
    kept = n_kept(labkit)
    assert kept >= 3
    record = labkit.json(*choice, "--resume", run["id"])
    assert record["results"]["fitted"] == n_fits - kept > 0
    whole = labkit.json(*choice)
    assert whole["results"]["fitted"] == n_fits
    assert whole["results"]["digest"] == record["results"]["digest"]
    said = labkit.run(*choice, "--resume", run["id"], "--recipes", "hgb-small", status=2)
    assert "other data or recipes" in said


def n_kept(shell: Shell) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{shell.home / 'lab.db'}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM checkpoints").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_the_head_of_a_killed_start_is_found_by_nobody(labkit: Shell) -> None:
    with labkit.start("cluster", "start", "--ray-port", "0") as starting:
        time.sleep(2.0)
        family = psutil.Process(starting.pid).children(recursive=True)
        starting.send_signal(signal.SIGINT)
        said, _ = starting.communicate(timeout=60)
    assert starting.returncode == 130 and "labkit: ended." in said
    assert outliving(family, 10.0) == []
    assert "No Ray head ran" in labkit.run("cluster", "stop")


def test_a_cluster_outlives_the_command_that_started_it_and_is_stopped_whole(labkit: Shell) -> None:
    labkit.run("cluster", "start", "--ray-port", "0")
    pid = json.loads((labkit.home / "head.json").read_text())["pid"]
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert len(family) > 3
    labkit.run("cluster", "stop")
    assert outliving(family, 5.0) == []
