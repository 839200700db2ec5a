"""The author's own words: a Markdown file for each section, which no build ever changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from labkit.errors import InvalidData, StorageError

SECTIONS = (
    "introduction", "architecture", "parallelisation", "microservices", "deployment", "benchmarks", "monitoring",
    "conclusions", "lessons", "future",
)  # fmt: skip
_MOST_BYTES = 200_000
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HINTS = {
    "es": "<!-- Tus propias palabras para «{name}», en Markdown, debajo de esta línea; ninguna reconstrucción las"
    " cambia. -->\n",
    "en": "<!-- Your own words for “{name}”, in Markdown, below this line. No rebuild changes them. -->\n",
}


def ensure_files(folder: Path, lang: str) -> None:
    """Make the files that are not there, each with one line that says what it is for.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in SECTIONS:
            if not any(folder.glob(f"{name}*.md")):
                (folder / f"{name}.md").write_text(_HINTS[lang].format(name=name), "utf-8")
    except OSError as fault:
        raise StorageError(f"The sections cannot be written to {folder}: {fault.strerror}.") from fault


def read_words(folder: Path | None, lang: str) -> dict[str, str]:
    """Return what the author wrote, by section; `introduction.es.md` goes before `introduction.md`.

    Raises
    ------
    StorageError
        If the folder is not there or cannot be read.
    InvalidData
        If a file is broken: the message says which, where and why.
    """
    if folder is None:
        return {}
    if not folder.is_dir():
        raise StorageError(f"There is no folder {folder}: make it, with files such as introduction.md in it.")
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.md")):
        name, _, of = path.stem.partition(".")
        if name not in SECTIONS or of not in ("", "es", "en"):
            raise InvalidData(
                f"{path}, line 1: no section has the name {path.stem!r}. Call it {', '.join(SECTIONS)}, with .es or .en"
                " after it for one language."
            )
        if of in ("", lang) and (of or name not in found):
            found[name] = checked(path)
    return {name: text for name, text in found.items() if text.strip()}


def checked(path: Path) -> str:
    """Return a file's Markdown without comments.

    Raises
    ------
    InvalidData
        If it is broken.
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise StorageError(f"{path} cannot be read: {fault.strerror}.") from fault
    if len(content) > _MOST_BYTES:
        raise InvalidData(f"{path}, line 1: it is longer than {_MOST_BYTES} bytes. Shorten it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise InvalidData(f"{path}, line {line}: a byte that is not UTF-8. Save the file as UTF-8.") from fault
    text = text.replace("\r\n", "\n")
    kept = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)
    for line, reason in faults(kept):
        raise InvalidData(f"{path}, line {line}: {reason}")
    return kept


def faults(text: str) -> list[tuple[int, str]]:
    r"""Return what is wrong with a section, each fault with its line, the first one first.

    Examples
    --------
    >>> faults("Text.\n\n```python\nx = 1\n")
    [(3, 'the code that begins here (```) never ends. Close it with a line of ``` alone.')]
    """
    found: list[tuple[int, str]] = []
    fence: tuple[int, str] | None = None
    for place, line in enumerate(text.split("\n"), 1):
        if odd := re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", line):
            found.append((place, f"a character that no text has (U+{ord(odd[0]):04X}). Delete it."))
        mark = _FENCE.match(line)
        if fence is not None:
            if mark and mark[1].startswith(fence[1]) and not mark[2].strip():
                fence = None
            continue
        if mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = place, mark[1]
            continue
        bare = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        if "<!--" in bare:
            found.append((place, "the comment that begins here (<!--) never ends. Close it with -->."))
        if re.search(r"!\[[^\]]*\]\s*[(\[]", bare):
            found.append(
                (place, "a picture: a report takes text alone, and draws its own figures. Describe it instead.")
            )
        if scheme := re.search(r"\]\(\s*<?\s*(?!https?:|mailto:|#)([a-z][\w+.-]*):", bare, re.IGNORECASE):
            found.append((place, f"a link of the kind {scheme[1]}: takes https:, http: or mailto: alone."))
    if fence is not None:
        found.append(
            (fence[0], f"the code that begins here ({fence[1]}) never ends. Close it with a line of {fence[1]} alone.")
        )
    return sorted(found)


def check_names(words: Mapping[str, str]) -> None:
    """Make sure that words kept in a manifest are of sections that there are."""
    if odd := set(words) - set(SECTIONS):
        raise InvalidData(f"There is no section {', '.join(sorted(odd))}.")
