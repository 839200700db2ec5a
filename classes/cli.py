"""`labkit class`: hand in, collect, and export assignments."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.app import app
from labkit.cli.options import Json, names
from labkit.cli.show import console, progress, show_json, show_table
from labkit.errors import InvalidArgument
from labkit.lab import start

classes = typer.Typer(no_args_is_help=True, help="Hand in work; collect a class's; export assignments for nbgrader.")
app.add_typer(classes, name="class")


@classes.command("hand-in")
def hand_in(
    to: Annotated[Path, typer.Argument(help="The zip to write, by your name: ana-garcia.zip.")],
    runs: Annotated[str | None, typer.Option(help="Ids of runs, with commas between [all finished].")] = None,
    as_json: Json = False,
) -> None:
    """Write this lab's finished runs and what its exercises kept into one zip, for `labkit class collect`."""
    from classes.handin import hand_in as write

    told = write(start(), to, names(runs))
    if as_json:
        show_json(told)
        return
    counts = f"{told['runs']} runs, {told['checks']} checks, {told['predictions']} predictions"
    console.print(f"Written to {to}: {counts}, {told['bytes'] / 1e6:,.1f} MB.", highlight=False, markup=False)


@classes.command("collect")
def collect(
    folder: Annotated[Path, typer.Argument(help="A folder with a folder or zip for each student.")],
    output: Annotated[Path | None, typer.Option(help="Folder to write to [class/ in the lab's folder].")] = None,
    as_json: Json = False,
) -> None:
    """Compare a whole class: speedups by machine, predicted and measured, exercises; as a page (es, en) and a CSV.

    A hand-in is what `labkit class hand-in` or `labkit runs export` wrote. Nothing of it is executed; one that is
    damaged, too large or says what does not follow from its own timings is named and left out.
    """
    from classes.collect import collect as read
    from classes.page import write_pages
    from classes.text import tr

    lab = start()
    target = (output or lab.settings.home / "class").absolute()
    if target == folder.absolute() or folder.absolute() in target.parents:
        raise InvalidArgument(f"{target} lies among the hand-ins; name another folder by --output.")
    with progress("Hand-ins", quiet=as_json) as tell:
        found = read(folder, tell)
    paths = write_pages(found, target, lab.settings.lang)
    refused = [
        (name, tr(f"refused.{fault.reason}", lab.settings.lang, **fault.values)) for name, fault in found.refused
    ]
    notes = [tr(f"notes.{key}", lab.settings.lang, **values) for key, values in found.notes]
    if as_json:
        show_json({
            "counted": found.counted, "refused": dict(refused), "notes": notes, "runs": found.n_runs,
            "files": list(map(str, paths)), "tables": [dataclasses.asdict(table) for table in found.tables],
        })  # fmt: skip
        return
    if refused:
        show_table("Refused", ["hand-in", "why"], refused)
    for note in notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"Counted {len(found.counted)} hand-ins, {found.n_runs} runs; refused {len(refused)}.", highlight=False
    )
    for path in paths:
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)


@classes.command("export")
def export(
    output: Annotated[Path, typer.Option(help="Folder to make.")] = Path("class-export"), as_json: Json = False
) -> None:
    """Write assignments: nbgrader's source notebooks with solutions and hidden tests, and a zip for students.

    nbgrader itself is an extra: .venv/bin/uv pip install -e '.[class]'
    """
    from classes.export import export as write

    made = write(output)
    if as_json:
        show_json({"folder": str(output), "assignments": made})
        return
    for lang, found in made.items():
        console.print(
            f"{lang}: {len(found)} assignments in {output}/nbgrader/{lang}; for students {output}/students-{lang}.zip",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
