"""From records to files: the tree, its manifest, and each format."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from labkit.errors import InvalidArgument, StorageError
from labkit.files.whole import write_whole
from labkit.store.runs import RunStore
from report import formats, pandoc
from report.facts import read_facts
from report.ledger import Entry, written
from report.records import Evidence, collect
from report.text import LANGUAGES, tr
from report.words import check_names
from report.writer import Writer

FORMATS = ("pdf", "html", "docx")
SCHEMA = 1
_EARLIEST = 315_532_800  # 1980, the first year that a zip file, and so a DOCX, can name
_NAME_MOST = 500


@dataclasses.dataclass(frozen=True)
class Report:
    """A report before it takes a format: the tree, the pictures, and what proves its numbers."""

    lang: str
    tree: dict[str, Any]
    images: Mapping[str, str]
    entries: list[Entry]
    manifest: dict[str, Any]
    metadata: dict[str, str]
    epoch: int

    def source_of(self, place: int) -> str:
        """Say where a number comes from."""
        entry = self.entries[place]
        return f"{entry.source}: {'' if entry.how == 'at' else entry.how + ' '}{'/'.join(map(str, entry.of))}"


def compose(
    store: RunStore,
    *,
    names: Iterable[str] | None = None,
    lang: str = "es",
    author: str = "",
    course: str = "",
    institution: str = "",
    words: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Report:
    """Write a report from a lab's records.

    Parameters
    ----------
    names : iterable of str, optional
        Ids of runs, or beginnings of them; by default the newest finished run of each kind.
    lang : {"es", "en"}
    author, course, institution : str
        Shown as they are, whatever they hold.
    words : mapping of str to str, optional
        The author's own Markdown by section.
    facts : mapping, optional
        Of the project; read from this clone by default.

    Raises
    ------
    InvalidArgument
        If the language or a name makes no sense.
    UnknownName
        If a run is not there.
    InvalidData
        If a record cannot be read.
    """
    if lang not in LANGUAGES:
        raise InvalidArgument(f"A report is in {' or '.join(LANGUAGES)}, not in {lang!r}.")
    given = {"author": author, "course": course, "institution": institution}
    if odd := [name for name, value in given.items() if len(value) > _NAME_MOST]:
        raise InvalidArgument(f"{', '.join(odd)}: at most {_NAME_MOST} characters.")
    own = dict(words or {})
    inputs: dict[str, Any] = {**given, "words": own}
    check_names(own)
    evidence = collect(store, list(names) if names is not None else None)
    # In one order, whether they were read from files or from a manifest.
    facts = json.loads(json.dumps(read_facts() if facts is None else facts, sort_keys=True))
    writer = Writer(evidence, facts, inputs, lang)
    tree = pandoc.spliced(pandoc.read(writer.markdown()), own)
    date = max((record["created"] for record in evidence.all()), default=None)
    shown = tr("measured_on", lang, date=written(date, lang, "date", 0)) if date else tr("undated", lang)
    metadata = {
        "title": tr("title", lang), "subtitle": tr("subtitle", lang), "lang": {"es": "es-ES", "en": "en-GB"}[lang],
        "date": shown, "toc-title": tr("contents", lang), **given,
    }  # fmt: skip
    manifest = {
        "labkit-report": SCHEMA, "lang": lang, "tools": formats.tools(), "date": date,
        "runs": [record["id"] for record in evidence.all()], "inputs": inputs, "facts": dict(facts),
        "entries": [list(dataclasses.astuple(entry)) for entry in writer.ledger.entries],
    }  # fmt: skip
    return Report(lang, tree, writer.images, writer.ledger.entries, manifest, metadata, _epoch(evidence))


def to_bytes(report: Report, format_: str) -> bytes:
    """Return a report in a format.

    Raises
    ------
    InvalidArgument
        If there is no such format.
    """
    if format_ not in FORMATS:
        raise InvalidArgument(f"A report is written as {', '.join(FORMATS)}, not as {format_!r}.")
    content: bytes = getattr(formats, f"to_{format_}")(report)
    return content


def file_name(report: Report, format_: str) -> str:
    """Return the name of a report's file."""
    return f"{tr('file', report.lang)}.{format_}"


def write_report(report: Report, folder: Path, chosen: Iterable[str] = FORMATS) -> list[Path]:
    """Write a report's files, each whole or not at all; return their paths.

    Raises
    ------
    InvalidArgument
        If there is no such format.
    StorageError
        If the folder cannot be written.
    """
    contents = {file_name(report, name): to_bytes(report, name) for name in chosen}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_whole(folder / name, content)
    except OSError as fault:
        raise StorageError(
            f"The report cannot be written to {folder}: {fault.strerror or fault}. Name another folder by --output."
        ) from fault
    return [folder / name for name in contents]


def manifest_text(report: Report) -> str:
    """Return the manifest as it is put into every file."""
    return json.dumps(report.manifest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _epoch(evidence: Evidence) -> int:
    dates = [datetime.fromisoformat(record["created"]).timestamp() for record in evidence.all()]
    return max(_EARLIEST, int(max(dates, default=0)))


@functools.cache
def fonts() -> str:
    """Return the folder of the fonts that matplotlib brings; Typst brings those of the text."""
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")
