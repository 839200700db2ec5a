"""`labkit report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.app import app
from labkit.cli.show import console
from labkit.errors import InvalidArgument, ResultsDiffer
from labkit.lab import start

report = typer.Typer(no_args_is_help=True, help="Write the technical report of a lab, and verify one.")
app.add_typer(report, name="report")


@report.command()
def build(
    runs: Annotated[
        str | None, typer.Option(help="Runs, with commas between [the newest finished one of each kind].")
    ] = None,
    lang: Annotated[str, typer.Option(help="Language: es or en.")] = "es",
    format_: Annotated[
        str, typer.Option("--format", help="Of pdf, html and docx, with commas between.")
    ] = "pdf,html,docx",
    output: Annotated[Path | None, typer.Option(help="Folder to write to [report/ in the lab's folder].")] = None,
    sections: Annotated[
        Path | None, typer.Option(help="Folder of your own words, a Markdown file a section [report/sections/ there].")
    ] = None,
    author: Annotated[str, typer.Option(help="Who signs it.")] = "",
    course: Annotated[str, typer.Option(help="The course.")] = "",
    institution: Annotated[str, typer.Option(help="The institution.")] = "",
) -> None:
    """Write the report of a lab's runs: every number from a run record, what was not measured named with its command.

    Your own words go into Markdown files, one a section (introduction.md, lessons.md …); a build never changes them.
    Several benchmarks (--runs A,B) stand side by side. The same records give the same bytes.
    """
    from report.build import FORMATS, compose, write_report
    from report.words import ensure_files, read_words

    chosen = [name.strip() for name in format_.split(",") if name.strip()]
    if not chosen or set(chosen) - set(FORMATS):
        raise InvalidArgument(f"A report is written as {', '.join(FORMATS)}, with commas between, not as {format_!r}.")
    if lang not in ("es", "en"):
        raise InvalidArgument(f"A report is in es or en, not in {lang!r}.")
    lab = start()
    lab.runs.reconcile()
    place = lab.settings.home / "report"
    if sections is None:
        ensure_files(place / "sections", lang)
    words = read_words(sections or place / "sections", lang)
    names = [name.strip() for name in runs.split(",") if name.strip()] if runs is not None else None
    if names == []:
        raise InvalidArgument("--runs names no run: give ids with commas between, or leave it out.")
    made = compose(lab.runs, names=names, lang=lang, author=author, course=course, institution=institution, words=words)
    if not made.manifest["runs"]:
        console.print(
            "No run to report on yet; the report says what to measure, and by which command.", highlight=False
        )
    paths = write_report(made, output or place, dict.fromkeys(chosen))
    console.print(f"Report: {' '.join(str(path) for path in paths)}", highlight=False, markup=False, soft_wrap=True)


@report.command()
def verify(file: Annotated[Path, typer.Argument(help="A report: PDF, HTML or DOCX.")]) -> None:
    """Compute every number of a report anew from this lab's records, write it anew, and tell where it differs.

    Ends with status 9 where the report does not say what the records say.
    """
    from report.verify import verify as verified

    found = verified(start().runs, file)
    for note in found.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    if found.faults:
        shown = "\n".join(found.faults[:10])
        more = f"\nand {len(found.faults) - 10} more" if len(found.faults) > 10 else ""
        raise ResultsDiffer(f"{file} does not say what the records say:\n{shown}{more}")
    console.print(f"{file}: all {found.n_numbers} numbers are those of the records.", highlight=False, markup=False)
