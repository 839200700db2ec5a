"""Whether a report still says what the records say: every number computed anew, and the document written anew."""

from __future__ import annotations

import base64
import dataclasses
import difflib
import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

from labkit.errors import InvalidData, LabError, StorageError, UnknownName
from labkit.store.runs import RunStore
from report import formats
from report.build import FORMATS, SCHEMA, compose, to_bytes
from report.facts import read_facts
from report.ledger import Entry, entry_of
from report.records import collect

_MOST_BYTES = 100_000_000


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a verification found.

    Parameters
    ----------
    n_numbers : int
        Entries of the manifest.
    faults : list of str
        What is not so; empty where the report is what the records give.
    notes : list of str
        What a reader should know, and what could not be compared.
    """

    n_numbers: int
    faults: list[str]
    notes: list[str]


def verify(store: RunStore, path: Path) -> Verdict:
    """Compute every number of a report anew from the store, write the report anew, and compare.

    Parameters
    ----------
    store : RunStore
        Which holds the report's runs.
    path : Path
        A PDF, HTML or DOCX that `labkit report build` wrote.

    Raises
    ------
    StorageError
        If the file cannot be read.
    InvalidData
        If it is no report, or one of a newer labkit.
    """
    content = _content(path)
    format_ = _format_of(content, path)
    manifest = manifest_of(content, format_, path)
    faults, notes = _numbers(store, manifest), []
    here = formats.tools()
    if manifest["tools"] != here:
        other = ", ".join(f"{k} {v} (here {here.get(k)})" for k, v in manifest["tools"].items() if here.get(k) != v)
        notes.append(f"Written with {other}: its numbers are compared, its letters cannot be.")
    elif not faults:
        faults += _letters(store, manifest, content, format_)
    if manifest["facts"] != json.loads(json.dumps(read_facts())):
        notes.append(
            "The project's own files have changed since: what it says of routes, ports and containers is older."
        )
    if words := manifest["inputs"]["words"]:
        notes.append(
            f"The author's own words ({', '.join(sorted(words))}) hold what the author says; no record proves it."
        )
    return Verdict(len(manifest["entries"]), faults, notes)


def manifest_of(content: bytes, format_: str, path: Path) -> dict[str, Any]:
    """Return what a report's file holds about itself.

    Raises
    ------
    InvalidData
        If it holds nothing, or what it holds is damaged or newer.
    """
    try:
        text = {"html": _of_html, "docx": _of_docx, "pdf": _of_pdf}[format_](content)
        found: dict[str, Any] = json.loads(text)
        schema = found["labkit-report"]
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as fault:
        raise InvalidData(
            f"{path} holds no manifest that can be read: labkit report build did not write it, or it was changed since."
        ) from fault
    if schema != SCHEMA:
        raise InvalidData(
            f"{path} is of report schema {schema!r}, and this labkit knows {SCHEMA}: bring it up to date."
        )
    shape = {"lang": str, "tools": dict, "runs": list, "inputs": dict, "facts": dict, "entries": list}
    if odd := [name for name, kind in shape.items() if not isinstance(found.get(name), kind)]:
        raise InvalidData(f"{path}: its manifest lacks {', '.join(odd)}; it was changed since it was written.")
    return found


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidData(f"{path} is larger than any report.")
        return path.read_bytes()
    except OSError as fault:
        raise StorageError(f"{path} cannot be read: {fault.strerror}.") from fault


def _format_of(content: bytes, path: Path) -> str:
    """Tell a file's format by its content, whatever its name."""
    begins = {"pdf": b"%PDF-", "docx": b"PK\x03\x04", "html": b"<!DOCTYPE html>"}
    for name in FORMATS:
        if content.lstrip()[:20].startswith(begins[name]):
            return name
    raise InvalidData(f"{path} is no report: labkit report build writes {', '.join(FORMATS)}.")


def _of_html(content: bytes) -> str:
    found = re.search(
        rf'<script type="application/json" id="{formats.MARK}">(.*?)</script>', content.decode("utf-8"), re.DOTALL
    )
    if found is None:
        raise ValueError("no manifest")
    return found[1]


def _of_docx(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():  # Word numbers these parts anew when it saves
            if name.startswith("customXml/item") and b"urn:labkit:report" in (part := archive.read(name)):
                packed = re.search(rb"<report[^>]*>([A-Za-z0-9+/=]+)</report>", part)
                if packed:
                    return base64.b64decode(packed[1], validate=True).decode("utf-8")
    raise ValueError("no manifest")


def _of_pdf(content: bytes) -> str:
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            opened = zlib.decompress(match[1])
        except zlib.error:
            opened = match[1]
        if opened.startswith(b'{"date":') and b'"labkit-report":' in opened:
            return opened.decode("utf-8")
    raise ValueError("no manifest")


def _numbers(store: RunStore, manifest: dict[str, Any]) -> list[str]:
    """Compute every entry anew; return what differs."""
    faults: list[str] = []
    try:
        evidence = collect(store, manifest["runs"]) if manifest["runs"] else None
    except UnknownName as fault:
        return [f"A run is not in this lab: {fault}"]
    except LabError as fault:
        return [str(fault)]
    sources: dict[str, Any] = {record["id"]: record for record in evidence.all()} if evidence else {}
    sources |= {"project": manifest["facts"], "input": manifest["inputs"]}
    for place, kept in enumerate(manifest["entries"]):
        try:
            entry = Entry(*kept)
            anew = entry_of(sources, manifest["lang"], entry.source, entry.how, entry.of, entry.kind, entry.digits)
        except (TypeError, LabError) as fault:
            faults.append(f"number {place}: {fault}")
            continue
        if anew.shown != entry.shown:
            at = f"{entry.source} {'' if entry.how == 'at' else entry.how + ' '}{'/'.join(map(str, entry.of))}"
            faults.append(f"number {place} is {entry.shown!r}, and {at} gives {anew.shown!r}")
    return faults


def _letters(store: RunStore, manifest: dict[str, Any], content: bytes, format_: str) -> list[str]:
    """Write the report anew; return where the file differs from it."""
    asked = manifest["inputs"]
    try:
        given = {name: str(asked[name]) for name in ("author", "course", "institution")}
        report = compose(
            store, names=manifest["runs"] or None, lang=manifest["lang"], words=asked["words"], facts=manifest["facts"],
            **given,
        )  # fmt: skip
        anew = to_bytes(report, format_)
    except (LabError, KeyError, TypeError, AttributeError) as fault:
        return [f"The report cannot be written anew from its manifest: {fault}"]
    if anew == content:
        return []
    before, after = _lines(anew, format_), _lines(content, format_)
    told = [
        line
        for line in difflib.unified_diff(before, after, lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    if not told:
        return ["The file differs from what its records give, though not in its text: in its pictures or its manifest."]
    begin = "The text differs from what the records give"
    return [f"{begin} ({'is' if line[0] == '+' else 'should be'}): {line[1:161]}" for line in told]


def _lines(content: bytes, format_: str) -> list[str]:
    if format_ == "html":
        text = re.sub(r"<script.*?</script>|<style.*?</style>", "", content.decode("utf-8", "replace"), flags=re.DOTALL)
        return [line for line in (re.sub(r"<[^>]+>", "", part).strip() for part in text.split("\n")) if line]
    if format_ == "docx":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            text = archive.read("word/document.xml").decode("utf-8", "replace")
        return [re.sub(r"<[^>]+>", "", part) for part in text.split("</w:p>")]
    return []  # a PDF's letters are glyphs: that they differ is told, not where
