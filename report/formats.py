"""The formats: HTML on one page, DOCX with Word's own styles, PDF that a screen reader can read (PDF/UA-1)."""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from labkit.errors import TaskFailed
from report import pandoc
from report.text import tr

if TYPE_CHECKING:
    from report.build import Report

_HERE = Path(__file__).parent / "templates"
MARK = "labkit-report"  # names the manifest in every format
DOCX_PART = "customXml/item1.xml"
_DOCX_SPACE = "urn:labkit:report"
_PPI = 200.0
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def tools() -> dict[str, str]:
    """Return the versions of what writes a report: with the same ones, the same records give the same bytes."""
    names = ("jinja2", "typst", "matplotlib", "babel")
    return {"pandoc": pandoc.version(), **{name: metadata.version(name) for name in names}, "report": "1"}


def to_html(report: Report) -> bytes:
    """Return one page that asks nobody for anything."""
    with _folder(report) as folder:
        tree = _with_meta(pandoc.for_html(report.tree, report.source_of), report)
        style = (_HERE / "report.css").read_text("utf-8")
        page = pandoc.run(
            [
                "-f", "json", "-t", "html", "--standalone", "--template", str(_HERE / "report.html"), "--toc",
                "--toc-depth=2", "--number-sections", "--mathml", "--embed-resources", "--wrap=none",
                f"--resource-path={folder}", "--section-divs",
            ],
            json.dumps(tree), _environment(report),
        ).decode("utf-8")  # fmt: skip
    label = tr("scrolls", report.lang)
    framed = rf'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table>\1</table></div>'
    page = re.sub(r"<table>(.*?)</table>", framed, page, flags=re.DOTALL)
    page = page.replace("<!--labkit-style-->", f"<style>\n{style}</style>", 1)
    manifest = _manifest(report).replace("<", "\\u003c")
    script = f'<script type="application/json" id="{MARK}">{manifest}</script>'
    return page.replace("<!--labkit-report-->", script, 1).encode("utf-8")


def to_docx(report: Report) -> bytes:
    """Return a document of Word's own headings, captions, tables and lists."""
    with _folder(report) as folder:
        images = {}
        for name in report.images:
            (folder / f"{name}.png").write_bytes(_png(folder, f"{name}.svg"))
            images[f"{name}.svg"] = f"{name}.png"
        (folder / "reference.docx").write_bytes(_reference())
        tree = _with_meta(pandoc.for_docx(report.tree, images), report)
        out = folder / "report.docx"
        pandoc.run(
            [
                "-f", "json", "-t", "docx", "--number-sections", f"--resource-path={folder}",
                f"--reference-doc={folder / 'reference.docx'}", "-o", str(out),
            ],
            json.dumps(tree), _environment(report),
        )  # fmt: skip
        return _with_part(out.read_bytes(), _manifest(report))


def to_pdf(report: Report) -> bytes:
    """Return a tagged PDF.

    Raises
    ------
    TaskFailed
        If Typst cannot set it; the message says what it said.
    """
    import typst

    from report.build import fonts

    with _folder(report) as folder:
        body = pandoc.run(["-f", "json", "-t", "typst", "--wrap=none"], json.dumps(pandoc.for_typst(report.tree)))
        known = ", ".join(f"{name}: {_string(_breakable(value))}" for name, value in _known(report).items())
        (folder / "manifest.json").write_text(_manifest(report), "utf-8")
        told = body.decode("utf-8").replace("align(center)[#table(", "align(left)[#table(")
        text = f"#let known = ({known})\n{(_HERE / 'report.typ').read_text('utf-8')}\n{told}"
        (folder / "report.typ").write_text(text, "utf-8")
        try:
            content = typst.compile(
                str(folder / "report.typ"), root=str(folder), format="pdf", pdf_standards=["ua-1"],
                font_paths=[fonts()], ignore_system_fonts=True, timestamp=report.epoch,
            )  # fmt: skip
        except typst.TypstError as fault:
            raise TaskFailed(f"The PDF cannot be set: {fault}") from fault
    return bytes(content)


def _known(report: Report) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in report.metadata.items()}


def _manifest(report: Report) -> str:
    from report.build import manifest_text

    return manifest_text(report)


def _environment(report: Report) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(report.epoch), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


class _folder:
    """A folder of a report's pictures, for as long as a program needs it."""

    def __init__(self, report: Report) -> None:
        self._report, self._kept = report, tempfile.TemporaryDirectory(prefix="labkit-report-")

    def __enter__(self) -> Path:
        folder = Path(self._kept.name)
        for name, drawn in self._report.images.items():
            (folder / f"{name}.svg").write_text(drawn, "utf-8")
        return folder

    def __exit__(self, *_: object) -> None:
        self._kept.cleanup()


def _with_meta(tree: dict[str, Any], report: Report) -> dict[str, Any]:
    def inlines(text: str) -> dict[str, Any]:
        return {"t": "MetaInlines", "c": [{"t": "Str", "c": _breakable(text)}]}

    known = report.metadata
    people = [known[name] for name in ("author", "course", "institution") if known[name]]
    meta = {name: inlines(known[name]) for name in ("title", "subtitle", "date", "toc-title")}
    meta["lang"] = {"t": "MetaString", "c": known["lang"]}
    meta["author"] = {"t": "MetaList", "c": [inlines(name) for name in people]}
    return {**tree, "meta": meta}


def _breakable(text: str) -> str:
    """Return a text whose control characters are gone and whose words may break where they are longer than a line."""
    from report.ledger import breakable

    return breakable(text)


def _string(text: str) -> str:
    r"""Return a text as Typst writes a string.

    Examples
    --------
    >>> print(_string('a "b" #c'))
    "a \"b\" #c"
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _png(folder: Path, name: str) -> bytes:
    import typst

    from report.build import fonts

    source = folder / "picture.typ"
    source.write_text(
        f"#set page(width: auto, height: auto, margin: 0pt)\n#image({_string(name)}, width: 16cm)", "utf-8"
    )
    made = typst.compile(
        str(source), root=str(folder), format="png", ppi=_PPI, font_paths=[fonts()], ignore_system_fonts=True
    )
    return bytes(made)


@functools.cache
def _reference() -> bytes:
    """Return pandoc's own reference document with our letters, and rules in its tables."""
    original = pandoc.run(["--print-default-data-file", "reference.docx"], "")
    found = _unzipped(original)
    styles = found["word/styles.xml"].decode("utf-8")
    fonts = '<w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:cs="Calibri" w:eastAsia="Calibri"/>'
    styles = re.sub(r"<w:rFonts [^>]*Theme[^>]*/>", fonts, styles)
    small = '<w:rPr><w:sz w:val="17"/><w:szCs w:val="17"/></w:rPr>'
    styles = _in_style(styles, "Compact", small)
    rule = '<w:{0} w:val="single" w:sz="{1}" w:space="0" w:color="7B8794"/>'
    borders = "".join(rule.format(side, size) for side, size in (("top", 8), ("bottom", 8), ("insideH", 2)))
    styles = re.sub(
        r'(<w:style [^>]*w:styleId="Table">.*?<w:tblPr>)', rf"\1<w:tblBorders>{borders}</w:tblBorders>", styles,
        flags=re.DOTALL,
    )  # fmt: skip
    for name, drawn in _OWN_STYLES.items():
        styles = styles.replace("</w:styles>", f"{_style(name, drawn)}</w:styles>")
    return _zipped({**found, "word/styles.xml": styles.encode("utf-8")})


_OWN_STYLES = {
    "Own Words": '<w:pPr><w:pBdr><w:left w:val="single" w:sz="18" w:space="8" w:color="0072B2"/></w:pBdr></w:pPr>',
}


def _style(name: str, drawn: str) -> str:
    key = name.replace(" ", "")
    return (
        f'<w:style w:type="paragraph" w:customStyle="1" w:styleId="{key}"><w:name w:val="{name}"/>'
        f'<w:basedOn w:val="BodyText"/><w:qFormat/>{drawn}</w:style>'
    )


def _in_style(styles: str, key: str, more: str) -> str:
    return re.sub(
        rf'(<w:style [^>]*w:styleId="{key}">.*?)(</w:style>)',
        lambda match: match[1] + ("" if "<w:rPr>" in match[1] else more) + match[2], styles, count=1, flags=re.DOTALL,
    )  # fmt: skip


def _unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(parts: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return made.getvalue()


def _with_part(document: bytes, manifest: str) -> bytes:
    """Return a DOCX with the manifest as a part of its own, which Word keeps when it saves."""
    parts = _unzipped(document)
    relations = parts["word/_rels/document.xml.rels"].decode("utf-8")
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/customXml"
    added = f'<Relationship Id="rIdLabkitReport" Type="{kind}" Target="../{DOCX_PART}"/></Relationships>'
    parts["word/_rels/document.xml.rels"] = relations.replace("</Relationships>", added).encode("utf-8")
    packed = base64.b64encode(manifest.encode("utf-8")).decode("ascii")
    parts[DOCX_PART] = (
        f'<?xml version="1.0" encoding="UTF-8"?><report xmlns="{_DOCX_SPACE}">{escape(packed)}</report>'.encode()
    )
    return _zipped(parts)
