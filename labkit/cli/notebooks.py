"""What `labkit bench` does with any notebook: NAME -p key=value, --all, --suite, --verify."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from labkit.cli.bench import show_benchmark, using_cluster
from labkit.cli.show import console, progress, show_json, show_table
from labkit.errors import InvalidArgument, ResultsDiffer
from labkit.lab import start
from labkit.notebooks import (
    AGREES,
    DIFFERS,
    SPEEDUPS,
    all_notebooks,
    check_suite,
    parameters_of,
    read_suite,
    run_suite,
    verify,
)  # fmt: skip
from labkit.runner import notebook


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """Read `key=value` texts."""
    pairs = [text.partition("=") for text in texts]
    for name, sign, _ in pairs:
        if not sign or not name:
            raise InvalidArgument(f"A parameter is written -p key=value, not {name!r}.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def bench_notebooks(
    name: str | None, parameters: Sequence[str], *, all_: bool, suite: Path | None, again: str | None,
    timeout_s: float, ray_port: int, as_json: bool,
) -> None:  # fmt: skip
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
        asked = all_notebooks(lab, given) if all_ else {name or SPEEDUPS: given}
    check_suite(lab, asked)
    with using_cluster(lab, ray_port):
        records = run_suite(lab, asked, timeout_s=timeout_s, progress=partial(progress, quiet=as_json))
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
