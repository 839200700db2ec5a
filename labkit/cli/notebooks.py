"""Notebooks of the course as recorded runs: `labkit bench NAME -p key=value`, `--all`, `--suite`, `--verify`."""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit import host
from labkit.classroom.exercises import VERDICT
from labkit.cli.bench import NOTEBOOK, show_benchmark, using_cluster
from labkit.cli.show import console, progress, show_json, show_table
from labkit.errors import InvalidArgument, LabError, ResultsDiffer, StorageError
from labkit.lab import Lab, start
from labkit.runner import NotebookRunner, notebook, notebooks

_GIVEN = {"lang", "home", "run_id"}  # what the lab says itself
AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"


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


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """Read `key=value` texts."""
    pairs = [text.partition("=") for text in texts]
    for name, sign, _ in pairs:
        if not sign or not name:
            raise InvalidArgument(f"A parameter is written -p key=value, not {name!r}.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def run_notebook(lab: Lab, name: str, given: Mapping[str, Any], *, timeout_s: float, quiet: bool) -> dict[str, Any]:
    """Execute a notebook as a recorded run: parameters, digest of the notebook, time of each cell, what checks said.

    Raises
    ------
    TaskFailed
        If a cell fails or the time is over; the run is kept as failed, with what was executed.
    """
    source = notebook(name, lab.settings.lang)
    chosen = typed(source, given)
    asked = {"notebook_digest": hashlib.sha256(source.read_bytes()).hexdigest(), **parameters_of(source), **chosen}
    measures = "run_id" in asked  # such a notebook writes its results into the run itself
    run = lab.runs.start("benchmark" if measures else "notebook", source.stem, asked, 0, "", [host.fingerprint()])
    target = lab.folder.runs / f"{run.id}.ipynb"
    passed = {**chosen, "lang": lab.settings.lang, "home": str(lab.settings.home)}
    passed |= {"run_id": run.id} if measures else {}
    try:
        with lab.runs.ended_by_errors(run.id), NotebookRunner() as runner, progress(source.stem, quiet=quiet):
            runner.run(source, target, passed, timeout_s=timeout_s)
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
    lab: Lab, suite: Mapping[str, Mapping[str, Any]], *, timeout_s: float, quiet: bool
) -> list[dict[str, Any]]:
    """Run several notebooks, the next one too where one fails.

    Raises
    ------
    LabError
        At the end, if any failed.
    """
    records, faults = [], []
    for name, given in suite.items():
        try:
            records.append(run_notebook(lab, name, given, timeout_s=timeout_s, quiet=quiet))
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
    sources = notebooks(lab.settings.lang)
    known = {name: parameters_of(source) for name, source in sources.items()}
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


def bench_notebooks(
    name: str | None,
    parameters: Sequence[str],
    *,
    all_: bool,
    suite: Path | None,
    again: str | None,
    timeout_s: float,
    ray_port: int,
    as_json: bool,
) -> None:
    """Run what `labkit bench` was asked for: one notebook, a suite, the course, or a run once more."""
    lab, given, before = start(), assignments(parameters), None
    if again is not None:
        before = lab.runs.export(again)
        if not before["results"] or before["kind"] not in ("benchmark", "notebook"):
            raise InvalidArgument(
                f"Run {before['id']} is no finished benchmark or notebook: there is nothing to repeat."
            )
        known = parameters_of(notebook(before["name"], lab.settings.lang))
        asked = {before["name"]: {key: value for key, value in before["parameters"].items() if key in known}}
    elif suite is not None:
        asked = read_suite(suite)
    else:
        asked = all_notebooks(lab, given) if all_ else {name or NOTEBOOK: given}
    check_suite(lab, asked)
    with using_cluster(lab, ray_port):
        records = run_suite(lab, asked, timeout_s=timeout_s, quiet=as_json)
    if as_json:
        show_json(records)
    else:
        for record in records:
            show_notebook(record)
    if before is not None:
        tell_verdict(*verify(before, records[0]))


def show_notebook(record: dict[str, Any]) -> None:
    """Print what a notebook's run came to."""
    results = record["results"]
    console.print(
        f"{record['name']}: {sum(results['cell_s']):.1f} s in {len(results['cell_s'])} cells, run {record['id']}",
        highlight=False,
    )
    if "tables" in results:
        show_benchmark(record, start().settings.lang)
    if results["checks"]:
        show_table("Checks", ["exercise", "state"], [list(pair) for pair in results["checks"].items()])


def tell_verdict(verdict: str, lines: Sequence[str]) -> None:
    """Print what a repetition showed.

    Raises
    ------
    ResultsDiffer
        If a digest or a check differs; times never do that.
    """
    for line in lines:
        console.print(line, highlight=False)
    if verdict == DIFFERS:
        raise ResultsDiffer("The repetition differs: another digest, or another verdict of a check.")
    console.print(f"The repetition {'agrees' if verdict == AGREES else 'is undecided: the spreads lie apart'}.")
