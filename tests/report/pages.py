"""What a reader sees of a report's files, and where its numbers stand."""

from __future__ import annotations

import html
import io
import re
import zipfile
from html.parser import HTMLParser

import pypdf

NUMERAL = re.compile(r"\d+(?:[.,\u00a0]\d+)*")
_VOID = {"meta", "link", "img", "br", "hr", "input", "col", "wbr"}
# What is no measurement: names with digits in them, the rules' own small words, code.
NAMES = re.compile(r"EC2|ec2/|S3|p99|UTF-8|\bRFC \d+|PDF/UA-1")


class Reader(HTMLParser):
    """Collects a page's text: of numbers with an entry, of numbering and references, of the author, and the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.parts: dict[str, list[str]] = {"entry": [], "numbering": [], "own": [], "math": [], "code": [], "rest": []}
        self.entries: list[tuple[int, str]] = []
        self._kinds: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        known = dict(attrs)
        classes = (known.get("class") or "").split()
        kind = ""
        if "data-e" in known:
            kind = "entry"
            self.entries.append((int(known["data-e"] or -1), ""))
        elif {"k", "header-section-number", "toc-section-number"} & set(classes):
            kind = "numbering"
        elif "own" in classes:
            kind = "own"
        elif "reference" in classes:
            kind = "numbering"
        elif tag == "math":
            kind = "math"
        elif tag in ("script", "style"):
            kind = "skipped"
        elif tag in ("code", "pre"):
            kind = "code"
        self.open.append(tag)
        self._kinds.append(kind)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                self._kinds.pop()
            self._kinds.pop()

    def handle_data(self, data: str) -> None:
        for kind in ("skipped", "own", "entry", "numbering", "math", "code"):
            if kind in self._kinds:
                break
        else:
            kind = "rest"
        if kind == "skipped":
            return
        if kind == "entry":
            self.entries[-1] = (self.entries[-1][0], self.entries[-1][1] + data)
        self.parts[kind].append(data)


def read_html(content: bytes) -> Reader:
    reader = Reader()
    reader.feed(content.decode("utf-8"))
    reader.close()
    return reader


def text_of_html(content: bytes) -> str:
    found = read_html(content)
    return " ".join(" ".join(found.parts[kind]) for kind in found.parts)


def text_of_docx(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        document = archive.read("word/document.xml").decode("utf-8")
    told = re.sub(r"</w:p>|</w:tc>", "\n", document)
    return html.unescape(re.sub(r"<[^>]+>", "", told))


def text_of_pdf(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
