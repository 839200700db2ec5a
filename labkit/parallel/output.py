"""What Ray's workers print: into the log of the run, and its last lines under the cell that caused it.

Ray itself would print every line of every worker under whatever cell happens to run. Here each process reads only what
the workers of its own job have written to their logs, on this host.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

N_TAIL = 10
_MOST_BYTES = 1_000_000  # of one worker at a time: what is older is skipped
_JOB = ":job_id:"
_MARKS = (_JOB, ":actor_name:", ":task_name:")  # lines that Ray writes between those of the tasks


class WorkerOutput:
    """The lines that workers of a job print from now on.

    Parameters
    ----------
    logs : Path
        Ray's folder of logs of this session.
    job : str
        The job's id, in hexadecimal.
    """

    def __init__(self, logs: Path, job: str) -> None:
        self._logs, self.job = logs, job
        self._read: dict[Path, int] = {}
        self._jobs: dict[Path, str] = {}
        self.fresh()

    def fresh(self) -> list[str]:
        """Return the whole lines that were printed since the last call."""
        lines: list[str] = []
        for path in sorted([*self._logs.glob("worker-*.out"), *self._logs.glob("worker-*.err")]):
            size, begin = path.stat().st_size, self._read.get(path, 0)
            if size > begin and self._job_of(path) == self.job:
                with path.open("rb") as file:
                    file.seek(max(begin, size - _MOST_BYTES))
                    content = file.read()
                    whole = content[: content.rfind(b"\n") + 1]
                    self._read[path] = file.tell() - len(content) + len(whole)
                lines += [line for line in whole.decode(errors="replace").splitlines() if not line.startswith(_MARKS)]
        return lines

    def _job_of(self, path: Path) -> str | None:
        """Return for which job a worker was taken: its log begins with that; until then it has none."""
        if path not in self._jobs:
            with path.open(errors="replace") as file:
                first = file.readline().strip()
            if not first.startswith(_JOB):
                return None
            self._jobs[path] = first.removeprefix(_JOB)
        return self._jobs[path]


def worker_output() -> WorkerOutput:
    """Return what the workers of this process's own job print from now on."""
    import ray

    node: Any = ray._private.worker._global_node
    return WorkerOutput(Path(node.get_logs_dir_path()), ray.get_runtime_context().get_job_id())


def tail(lines: list[str]) -> str:
    """Return the last lines, and how many there are before them."""
    n_before = len(lines) - N_TAIL
    return "\n".join(([f"[Ray] … +{n_before}"] if n_before > 0 else []) + [f"[Ray] {line}" for line in lines[-N_TAIL:]])


def show_in_cells() -> None:
    """In a notebook, print after each cell the last lines that the workers of its job wrote while it ran."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    following = shell.__dict__.setdefault("_labkit_worker_output", [])
    if not following:
        shell.events.register("pre_run_cell", lambda *_: following[0].fresh())  # of no cell, so in the log alone
        shell.events.register("post_run_cell", lambda *_: _show(following[0].fresh()))
    following[:] = [worker_output()]


def _show(lines: list[str]) -> None:
    if lines:
        print(tail(lines))
