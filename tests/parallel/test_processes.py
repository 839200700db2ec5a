from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from labkit.parallel.processes import ProcessCrew
from labkit.parallel.service import outliving
from labkit.parallel.shared import Shared
from tests.parallel.toys import Toy


def test_shared_memory_gives_equal_values_without_a_name() -> None:
    value = {"a": np.arange(100_000, dtype=np.float64), "b": np.ones(3, dtype=np.float32), "c": "text"}
    shared = Shared(value)
    seen = shared.value()
    shared.close()
    assert seen["c"] == "text"
    np.testing.assert_array_equal(seen["a"], value["a"])
    np.testing.assert_array_equal(seen["b"], value["b"])
    assert not seen["a"].flags.writeable and seen["a"].ctypes.data % 64 == 0


def test_a_value_without_arrays_can_be_shared() -> None:
    assert Shared(("only", "text")).value() == ("only", "text")


def test_closing_a_crew_ends_its_processes() -> None:
    with ProcessCrew(Toy, (), {}, 2) as crew:
        crew.ready()
        processes = [psutil.Process(crew.pid(worker)) for worker in range(2)]
    assert outliving(processes, 5.0) == []


@pytest.mark.parametrize("name", ["processes", "joblib", "dask"])
def test_a_killed_driver_leaves_no_process(name: str) -> None:
    program = (
        "from labkit.parallel.engines import engine\nfrom tests.parallel.toys import Toy\nimport time\n"
        f"if __name__ == '__main__':\n crew = engine({name!r})(Toy, (), {{}}, 2)\n crew.ready()\n"
        " print('ready', flush=True)\n time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None and driver.stdout.readline() == "ready\n"
        family = psutil.Process(driver.pid).children(recursive=True)
        assert len(family) >= 2  # the workers, and where there is one their server
        os.kill(driver.pid, signal.SIGKILL)
        assert outliving(family, 10.0) == []


def test_a_class_of_a_script_or_a_notebook_can_be_an_actor() -> None:
    program = (
        "from labkit.parallel.dispatch import dispatch\nfrom labkit.parallel.engines import engine\n"
        "from labkit.parallel.tasks import Task\nclass Mine:\n    def twice(self, x): return 2 * x\n"
        "with engine('processes')(Mine, (), {}, 2) as crew:\n    print(dispatch([Task('t', 'twice', 21)], crew))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[42]\n", done.stderr
