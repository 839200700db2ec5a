"""Read what students hand in, a folder or a zip each, without trusting any of it: nothing is unpacked or executed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

MAX_FILES = 5_000
MAX_BYTES = 256 * 2**20  # of one hand-in, unpacked
MAX_JSON_BYTES = 32 * 2**20  # of one record or notebook
MAX_INFLATION = 300  # times; text of records packs to a tenth, only zeros pack to a three-hundredth
MANIFEST, PROGRESS, RECORD = "manifest.json", "progress.json", "record.json"
_JUNK = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$|\.ipynb_checkpoints/)")
_PART = re.compile(r"[\w@#.+ ()-]{1,150}")
_SCRIPTS = re.compile(
    r"<\s*(script|iframe|object|embed|base|link|meta|form)\b|<[^>]*[\s/\"']on[a-z]+\s*=|javascript\s*:|data\s*:\s*text/html",
    re.IGNORECASE,
)
_RENDERED = ("text/html", "text/markdown", "image/svg+xml")


class Refused(Exception):
    """Why a hand-in is not counted: the key of the reason in texts.toml, and what its text is filled in with."""

    def __init__(self, reason: str, **values: Any) -> None:
        super().__init__(reason)
        self.reason, self.values = reason, values


class HandIn:
    """The files of one hand-in by name; each is read when it is asked for, and never beyond the size that was checked.

    Parameters
    ----------
    path : Path
        A folder, or a zip.

    Raises
    ------
    Refused
        If it is neither, has too many or too large files, or a name that points outside it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._zip = path, None
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            self.name, sizes = path.name, _folder_sizes(path)
        elif stat.S_ISREG(mode) and path.suffix.lower() == ".zip":
            self.name = path.stem
            try:
                self._zip = zipfile.ZipFile(path)
                sizes = _zip_sizes(self._zip)
            except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, UnicodeError) as fault:
                raise Refused("no_zip") from fault
        else:
            raise Refused("neither")
        if len(sizes) > MAX_FILES:
            raise Refused("many", n=len(sizes), most=MAX_FILES)
        if sum(sizes.values()) > MAX_BYTES:
            raise Refused("large", megabytes=sum(sizes.values()) / 1e6, most=MAX_BYTES / 1e6)
        self.sizes = {name: size for name, size in sizes.items() if not _JUNK.search(name)}

    def named(self, end: str) -> list[str]:
        """Return the names whose last part is, or ends with, the given one."""
        dotted = end.startswith(".")
        return sorted(name for name in self.sizes if (name.endswith(end) if dotted else name.rsplit("/", 1)[-1] == end))

    def json(self, name: str) -> Any:
        """Return a file's content as strict JSON.

        Raises
        ------
        Refused
            If it is too large, or none.
        """
        if self.sizes[name] > MAX_JSON_BYTES:
            raise Refused("large_file", file=name, megabytes=self.sizes[name] / 1e6, most=MAX_JSON_BYTES / 1e6)
        try:
            with self._open(name) as file:
                return json.loads(file.read(self.sizes[name]).decode("utf-8"), parse_constant=_no_number)
        except (ValueError, RecursionError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as fault:
            raise Refused("corrupt", file=name) from fault

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file, in hexadecimal."""
        found = hashlib.sha256()
        try:
            with self._open(name) as file:
                for _ in range(1 + self.sizes[name] // 2**20):
                    found.update(file.read(2**20))
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as fault:
            raise Refused("corrupt", file=name) from fault
        return found.hexdigest()

    def check_manifest(self) -> None:
        """Compare the files with the digests that were noted when it was handed in, if they were.

        Raises
        ------
        Refused
            If one has changed since, or is missing.
        """
        for place in self.named(MANIFEST):
            noted = self.json(place)
            noted = noted.get("files") if isinstance(noted, dict) else None
            if not isinstance(noted, dict):
                raise Refused("corrupt", file=place)
            root = place.removesuffix(MANIFEST)
            for name, digest in noted.items():
                if root + name not in self.sizes:
                    raise Refused("missing", file=name)
                if self.digest(root + name) != digest:
                    raise Refused("changed", file=name)

    def check_notebooks(self) -> None:
        """Make sure that no output of a notebook would run in a browser.

        Raises
        ------
        Refused
            If one would, or a notebook is none.
        """
        for name in self.named(".ipynb"):
            notebook = self.json(name)
            cells = notebook.get("cells") if isinstance(notebook, dict) else None
            if not isinstance(cells, list):
                raise Refused("corrupt", file=name)
            for number, cell in enumerate(cells, 1):
                for output in (cell.get("outputs") or []) if isinstance(cell, dict) else []:
                    data = output.get("data") if isinstance(output, dict) else None
                    if isinstance(data, dict) and _runs(data):
                        raise Refused("script", file=name, cell=number)

    def close(self) -> None:
        """Close the zip."""
        if self._zip is not None:
            self._zip.close()

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with self._zip.open(name) if self._zip is not None else (self._path / name).open("rb") as file:
            yield file


def _runs(data: dict[str, Any]) -> bool:
    """Tell whether an output holds what a browser would execute."""
    if any("javascript" in kind.lower() for kind in data):
        return True
    return any(
        _SCRIPTS.search("".join(map(str, text)) if isinstance(text, list) else str(text)) is not None
        for kind, text in data.items()
        if kind.lower() in _RENDERED
    )


def _folder_sizes(path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for place, folders, files in os.walk(path):
        for name in (*folders, *files):
            at = Path(place, name)
            mode, relative = at.lstat(), at.relative_to(path).as_posix()
            _check_name(relative)
            if stat.S_ISDIR(mode.st_mode):
                continue
            if not stat.S_ISREG(mode.st_mode):
                raise Refused("link", file=relative)
            sizes[relative] = mode.st_size
        if len(sizes) > MAX_FILES:
            break
    return sizes


def _zip_sizes(opened: zipfile.ZipFile) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for entry in opened.infolist():
        _check_name(entry.orig_filename.rstrip("/"))
        if entry.is_dir():
            continue
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise Refused("link", file=entry.filename)
        if entry.flag_bits & 1:
            raise Refused("encrypted", file=entry.filename)
        if entry.filename in sizes:
            raise Refused("twice", file=entry.filename)
        if entry.file_size > 2**20 and entry.file_size > MAX_INFLATION * max(1, entry.compress_size):
            raise Refused("bomb", file=entry.filename, megabytes=entry.file_size / 1e6)
        sizes[entry.filename] = entry.file_size
    return sizes


def _check_name(name: str) -> None:
    if _JUNK.search(name):
        return
    parts = name.split("/")
    if not all(_PART.fullmatch(part) and set(part) != {"."} for part in parts) or len(parts) > 12:
        raise Refused("path", file=name[:80])


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
