"""The command as a user runs it: a process of its own, with a lab of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.costs import give_costs

LABKIT = Path(sys.executable).with_name("labkit")


@dataclasses.dataclass
class Shell:
    """Runs `labkit` with one lab's settings."""

    environment: dict[str, str]

    @property
    def home(self) -> Path:
        return Path(self.environment["LABKIT_HOME"])

    def run(self, *arguments: str, status: int = 0, timeout_s: float = 150.0, **changes: str) -> str:
        """Run to the end; return what was printed to both, or to standard output alone where it is JSON."""
        done = subprocess.run(
            [LABKIT, *arguments], env={**self.environment, **changes}, capture_output=True, text=True, timeout=timeout_s
        )
        assert done.returncode == status, f"status {done.returncode}, not {status}:\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if "--json" in arguments and status == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, **changes: str) -> Any:
        return json.loads(self.run(*arguments, "--json", **changes))

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        """Begin, and leave it running."""
        return subprocess.Popen(
            [LABKIT, *arguments], env={**self.environment, **changes}, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def shell_at(home: Path) -> Shell:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LABKIT_", "RAY_"))}
    return Shell({**kept, "LABKIT_HOME": str(home), "COLUMNS": "160", "NO_COLOR": "1"})


@pytest.fixture
def labkit(tmp_path: Path) -> Shell:
    """A lab in a path with a space and accents."""
    return shell_at(tmp_path / "mi año" / "lab")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A lab with a running head, one model and one benchmark, all of them small."""
    shell = shell_at(give_costs(tmp_path_factory.mktemp("año") / "lab"))
    shell.run("cluster", "start", "--ray-port", "0")
    try:
        shell.run("train", "--days", "12", "--recipes", "hgb-small,logistic-numeric")
        shell.run("bench", "--days", "12", "--rounds", "1", "--recipes", "hgb-small,forest-20,logistic-numeric")
        yield shell
    finally:
        shell.run("cluster", "stop")
