"""Run a notebook by papermill, as a run: in a process group of its own, with a time limit for the whole.

Papermill's own limit holds for one cell, and what a cell started in the background would outlive the kernel; so the
notebook runs in a child that can be ended with all that it began. What a run is worth is told by the child's exit
status: a notebook that was cut off still says of itself that it completed.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from labkit.errors import InvalidArgument, LabError, TaskFailed, UnknownName
from labkit.parallel.pinning import ONE_THREAD, environment
from labkit.parallel.service import adopt_orphans, die_with_parent, end_descendants, end_service, log_tail

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "es")
DEFAULT_TIMEOUT_S = 3600.0
_FAILED = 17
_SOCKET_PATH_MAX = 100  # bytes; Linux takes 107, with the kernel's own "-5" at the end


def notebooks(lang: str = "en") -> dict[str, Path]:
    """Return the course's notebooks by name, in their order.

    Raises
    ------
    InvalidArgument
        If there is no such language.
    LabError
        If labkit is not used from a clone.
    """
    if lang not in LANGUAGES:
        raise InvalidArgument(f"The notebooks are in {' and '.join(LANGUAGES)}, not in {lang!r}.")
    folder = ROOT / "notebooks" / lang
    if not folder.is_dir():
        raise LabError(
            f"There are no notebooks at {folder}. labkit is used from a clone of its repository: run it there."
        )
    return {path.stem: path for path in sorted(folder.glob("*.ipynb"))}


def notebook(name: str, lang: str = "en") -> Path:
    """Return one notebook by its name, or the beginning of it.

    Raises
    ------
    UnknownName
        If there is none, or more than one begins so.
    """
    known = notebooks(lang)
    found = [path for stem, path in known.items() if stem == name] or [
        path for stem, path in known.items() if name and stem.startswith(name)
    ]
    if len(found) != 1:
        raise UnknownName(f"There is no one notebook {name!r}. Take one of: {', '.join(known) or 'none is there'}.")
    return found[0]


class NotebookRunner:
    """A child process that executes one notebook; it imports papermill while its caller still prepares.

    Used as a context: what leaves the block ends the child with all that it began.
    """

    def __enter__(self) -> NotebookRunner:
        self._scratch = tempfile.TemporaryDirectory(prefix="labkit-notebook-")
        self._order, self._log = (Path(self._scratch.name) / name for name in ("order.json", "log"))
        with self._log.open("wb") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "labkit.runner", str(self._order)], stdin=subprocess.PIPE, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        return self

    def run(
        self,
        source: Path,
        target: Path,
        parameters: Mapping[str, Any],
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        """Execute a notebook with parameters and write the executed copy.

        Parameters
        ----------
        source, target : Path
            The notebook, and where its executed copy goes.
        parameters : mapping
            Values for its cell of parameters; JSON-able.
        timeout_s : float
            For the whole, in seconds, above 0.
        on_wait : callable, optional
            Called about four times a second while it runs.

        Raises
        ------
        TaskFailed
            If a cell fails (the message holds its last lines) or the time is over.
        """
        if not timeout_s > 0:
            raise InvalidArgument(f"The time limit must be above 0 s, not {timeout_s!r}.")
        order = {"source": str(source), "target": str(target), "parameters": dict(parameters)}
        self._order.write_text(json.dumps(order))
        self._stop_waiting()
        until = time.monotonic() + timeout_s
        while self._child.poll() is None:
            if time.monotonic() > until:
                raise TaskFailed(f"{source.stem} was ended: it ran longer than its limit of {timeout_s:.0f} s.")
            if on_wait is not None:
                on_wait()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(0.25)
        if self._child.returncode:
            why = Path(f"{self._order}.error")
            detail = why.read_text() if why.exists() else log_tail(self._log)
            raise TaskFailed(f"{source.stem} failed:\n{detail}")

    def _stop_waiting(self) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died already: its exit status tells
            self._child.stdin.close()

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                end_service(psutil.Process(self._child.pid), 1.0)
            self._child.wait()
        self._stop_waiting()
        self._scratch.cleanup()


def execute(order: Path) -> int:
    """Execute what an order file asks for once standard input ends, in this process; return the exit status."""
    die_with_parent()
    adopt_orphans()
    # jsonschema, which nothing here asks to check an IRI, would compile a grammar for them: 0.7 s of papermill's 1.6.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # "not there", in Python's own way
    import papermill
    from traitlets.config import Config

    sys.stdin.read()
    if not order.exists():  # its caller ended before there was anything to do
        return 0
    asked = json.loads(order.read_text())
    # Ports that were found free may be another's once the kernel takes them; sockets in our own folder are nobody's.
    sockets = str(order.with_name("kernel"))
    apart = {"transport": "ipc", "ip": sockets} if len(os.fsencode(sockets)) < _SOCKET_PATH_MAX else {}
    # JPY_SESSION_NAME: as in JupyterLab, the kernel knows its notebook, and labkit.start() by it the language.
    known = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "JPY_SESSION_NAME": asked["source"]}
    with environment({**ONE_THREAD, **known}):
        try:
            papermill.execute_notebook(
                asked["source"], asked["target"], asked["parameters"], kernel_name="python3", progress_bar=False,
                cwd=str(Path(asked["source"]).parent), request_save_on_cell_execute=False, log_output=False,
                config=Config(KernelManager=apart),
                store_widget_state=False,  # exported, it shows their pictures then, and fetches no code
                shutdown_kernel="immediate",  # all is kept by then; leaving Ray politely takes it some seconds
            )  # fmt: skip
        except papermill.PapermillExecutionError as fault:
            Path(f"{order}.error").write_text(f"cell {fault.exec_count}: {fault.ename}: {fault.evalue}")
            return _FAILED
        finally:
            end_descendants()
    return 0


if __name__ == "__main__":
    sys.exit(execute(Path(sys.argv[1])))
