"""Notebooks of the course as recorded runs: their parameters, suites of them, and whether a repetition agrees."""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labkit import host
from labkit.classroom.exercises import VERDICT
from labkit.errors import InvalidArgument, LabError, StorageError
from labkit.lab import Lab
from labkit.runner import NotebookRunner, notebook, notebooks

SPEEDUPS = "04_speedup_tables"
AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"
_GIVEN = {"lang", "home", "run_id"}  # what the lab says itself


def parameters_of(source: Path) -> dict[str, Any]:
    """Return a notebook's parameters and their defaults, from the cell that is tagged so.

    Raises
    ------
    InvalidArgument
        If it has no such cell.
    """
    cells = json.loads(source.read_text("utf-8"))["cells"]
    tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    if not tagged:
        raise InvalidArgument(f"{source.stem} has no cell that is tagged as its parameters.")
    assigned = [node for node in ast.parse(tagged[0]).body if isinstance(node, ast.Assign)]
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in assigned}


def typed(source: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters in the types of the notebook's own.

    Parameters
    ----------
    source : Path
        The notebook.
    given : mapping
        Values; texts are read as Python would read them, such as 30, 0.5, [1, 2], None or "ray".

    Raises
    ------
    InvalidArgument
        With all faults together.
    """
    known, faults, found = parameters_of(source), [], {}
    for name, value in given.items():
        if name not in known or name in _GIVEN:
            near = difflib.get_close_matches(name, known, n=1)
            faults.append(f"it has no parameter {name!r}" + (f", perhaps {near[0]!r} is meant" if near else ""))
            continue
        if isinstance(value, str) and not (isinstance(known[name], str) and not value.startswith(("'", '"'))):
            with contextlib.suppress(ValueError, SyntaxError):  # else it is a text without its quotes
                value = ast.literal_eval(value)
        default = known[name]
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if default is not None and value is not None and type(value) is not type(default):
            faults.append(f"{name} is {type(default).__name__}, such as {default!r}, not {value!r}")
        found[name] = value
    if faults:
        shown = ", ".join(f"{name}={value!r}" for name, value in known.items() if name not in _GIVEN)
        raise InvalidArgument(f"{source.stem}: {'; '.join(faults)}. Its parameters: {shown}")
    return found


def run_notebook(
    lab: Lab,
    name: str,
    given: Mapping[str, Any],
    *,
    timeout_s: float,
    origin: Mapping[str, Any] | None = None,
    data_digest: str = "",
    runner: NotebookRunner | None = None,
    run_id: str | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Execute a notebook as a recorded run: parameters, digest of the notebook, time of each cell, what checks said.

    Parameters
    ----------
    given : mapping
        Values for the notebook's own parameters; the others keep their defaults.
    timeout_s : float
        For the whole, in seconds.
    origin : mapping, optional
        What the record says of data that were prepared before.
    data_digest : str
        Of such data.
    runner : NotebookRunner, optional
        One that was started already; it is not ended here.
    run_id : str, optional
        A run that was accepted for this; by default one is started here.
    on_progress : callable, optional
        Told the run's id, and for whom it waits if it does, and how much of it is done, 0–1, about four times a second.

    Raises
    ------
    TaskFailed
        If a cell fails or the time is over; the run is kept as failed, with what was executed and measured.
    """
    source = notebook(name, lab.settings.lang)
    chosen = typed(source, given)
    asked = {"notebook_digest": hashlib.sha256(source.read_bytes()).hexdigest(), **parameters_of(source), **chosen}
    measures = "run_id" in asked  # such a notebook writes its results into the run itself
    asked |= origin or {}
    if run_id is None:
        kind, here = "benchmark" if measures else "notebook", [host.fingerprint()]
        run_id = lab.runs.start(kind, source.stem, asked, 0, data_digest, here).id
    else:
        lab.runs.update(run_id, status="running", parameters=asked)
    run = lab.runs.get(run_id)
    target = lab.folder.runs / f"{run.id}.ipynb"
    passed = {**chosen, "lang": lab.settings.lang, "home": str(lab.settings.home)}
    passed |= {"run_id": run.id} if measures else {}

    def tell() -> None:
        if on_progress is not None:
            from labkit.scaling.benchmark import measuring_lease

            done = lab.runs.get(run.id).progress
            holder = measuring_lease("").holder() if measures and not done else ""
            waits = "(measure run" in holder and run.id not in holder
            on_progress(f"{run.id} waits: {holder}" if waits else run.id, done)

    try:
        with lab.runs.ended_by_errors(run.id), contextlib.ExitStack() as stack:
            (runner or stack.enter_context(NotebookRunner())).run(
                source, target, passed, timeout_s=timeout_s, on_wait=tell
            )
            results = lab.runs.get(run.id).results | results_of(json.loads(target.read_text("utf-8")))
            lab.runs.update(run.id, status="finished", progress=1.0, results=results)
    finally:
        if target.exists():
            lab.runs.save_artefact(run.id, f"{source.stem}.ipynb", target.read_bytes())
            target.unlink()
    return lab.runs.export(run.id)


def results_of(executed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seconds of each code cell and the state of each check of an executed notebook."""
    cells = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    seconds = [cell["metadata"].get("papermill", {}).get("duration") or 0.0 for cell in cells]
    verdicts = [
        output["data"][VERDICT] for cell in cells for output in cell["outputs"] if VERDICT in output.get("data", {})
    ]
    return {"cell_s": seconds, "checks": {verdict["exercise"]: verdict["state"] for verdict in verdicts}}


def check_suite(lab: Lab, suite: Mapping[str, Mapping[str, Any]]) -> None:
    """Make sure that all notebooks are there and take their parameters, before the first one runs."""
    for name, given in suite.items():
        typed(notebook(name, lab.settings.lang), given)


def run_suite(
    lab: Lab, suite: Mapping[str, Mapping[str, Any]], *, timeout_s: float, progress: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """Run several notebooks, the next one too where one fails.

    Parameters
    ----------
    progress : callable
        Returns, for a notebook's name, a context that yields what `run_notebook` tells its progress.

    Raises
    ------
    LabError
        At the end, if any failed.
    """
    records, faults = [], []
    for name, given in suite.items():
        try:
            with progress(name) as tell:
                records.append(run_notebook(lab, name, given, timeout_s=timeout_s, on_progress=tell))
        except LabError as fault:
            faults.append(f"{name}: {fault}")
    if faults:
        raise LabError(f"{len(faults)} of {len(suite)} notebooks failed.\n" + "\n".join(faults))
    return records


def read_suite(path: Path) -> dict[str, dict[str, Any]]:
    """Read a suite file: TOML, a table of parameters for each notebook.

    Raises
    ------
    StorageError, InvalidArgument
        If there is none, or it is no such file.
    """
    try:
        suite = tomllib.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise StorageError(f"The suite {path} cannot be read: {fault.strerror}.") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InvalidArgument(f"{path} is no suite: {fault}.") from fault
    if not suite or not all(isinstance(given, dict) for given in suite.values()):
        raise InvalidArgument(f'{path} is no suite: it needs a table for each notebook, such as ["01"] and days = 10.')
    return suite


def all_notebooks(lab: Lab, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a suite of the whole course; each notebook takes of the parameters those that it has."""
    known = {name: parameters_of(source) for name, source in notebooks(lab.settings.lang).items()}
    if idle := set(given) - {name for parameters in known.values() for name in parameters}:
        raise InvalidArgument(f"No notebook has a parameter {', '.join(sorted(idle))}.")
    return {name: {key: given[key] for key in given if key in parameters} for name, parameters in known.items()}


def verify(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Compare a run with its repetition: digests and checks decide, speedups only where their spreads lie apart.

    Returns
    -------
    tuple of str and list of str
        "agrees", "differs" or "undecided", and a line for each thing compared.
    """
    lines, verdict = [], AGREES
    for name in ("digest", "checks"):
        old, new = (record["results"].get(name) for record in (before, after))
        if old is not None:
            lines.append(f"{name}: {'the same' if old == new else f'{old} before, {new} now'}")
            verdict = DIFFERS if old != new else verdict
    for engine, rows in before["results"].get("tables", {}).items():
        now = {row["n_workers"]: row for row in after["results"].get("tables", {}).get(engine, [])}
        for row in rows:
            other = now.get(row["n_workers"])
            if other is None:
                continue
            old, new = row["spread"], other["spread"]
            overlap = old["low"] <= new["high"] and new["low"] <= old["high"]
            lines.append(
                f"{engine}, {row['n_workers']} workers: {row['speedup']:.2f} before, {other['speedup']:.2f} now"
            )
            verdict = UNDECIDED if not overlap and verdict == AGREES else verdict
    return verdict, lines
