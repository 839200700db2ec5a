"""Files below a path or any URL that fsspec opens: where backups lie, and where artefacts do."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from labkit.errors import LabError, NotEnoughDisk, StorageError, UnknownName
from labkit.files.urls import is_local, shown_url
from labkit.files.whole import MARK

_PIECE = 1 << 20


class Place:
    """Files below a URL, each whole or not there.

    Parameters
    ----------
    url : str
        A folder's path, or a URL such as `s3://bucket/lab`.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url, self.local = url.rstrip("/") or "/", is_local(url)  # which says clearly what nothing can open
        self._fs, path = fsspec.url_to_fs(self.url)
        self._root = str(path).rstrip("/")

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the bytes of each file by its name; what is not finished yet is left out."""
        top = f"{self._root}/{below}".rstrip("/")
        with self._told("listed"):
            self._fs.invalidate_cache()
            found = self._fs.find(top, detail=True)
        names = {str(entry["name"]).removeprefix(f"{self._root}/"): int(entry["size"]) for entry in found.values()}
        return {name: size for name, size in sorted(names.items()) if MARK not in name and not name.endswith("/")}

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        with self._told("read"):
            self._fs.invalidate_cache()
            return bool(self._fs.exists(f"{self._root}/{name}"))

    def fetch(self, name: str, target: Path) -> str:
        """Copy a file to this machine, and return the SHA-256 of what came.

        Raises
        ------
        UnknownName
            If it is not there.
        """
        with self._told("read"):
            try:
                self._fs.get_file(f"{self._root}/{name}", str(target))
            except FileNotFoundError as fault:
                raise UnknownName(f"{shown_url(self.url)} has no {name}.") from fault
        return digest_of_file(target)

    def store(self, source: Path, name: str) -> None:
        """Copy a file from this machine."""
        with self._told("written"):
            if not self.local:
                self._fs.put_file(str(source), f"{self._root}/{name}")  # an object is shown only once it is whole
                return
            target = Path(self._root, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = target.with_name(f"{MARK}{os.getpid()}-{target.name[:40]}.part")
            try:
                shutil.copyfile(source, scratch)
                with scratch.open("rb+") as file:
                    os.fsync(file.fileno())
                os.replace(scratch, target)
            finally:
                scratch.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file, and the folder that it leaves empty."""
        with self._told("removed"):
            self._fs.rm_file(f"{self._root}/{name}")
            if self.local:
                with contextlib.suppress(OSError):
                    Path(self._root, name).parent.rmdir()

    @contextlib.contextmanager
    def _told(self, action: str) -> Iterator[None]:
        try:
            yield
        except LabError:
            raise
        except Exception as fault:
            shown = shown_url(self.url)
            if isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NotEnoughDisk(f"{shown} is full: free some space there, or name another place.") from fault
            said = f"{type(fault).__name__}: {fault}".replace(self.url, shown)
            raise StorageError(f"{shown} cannot be {action} ({said}): check the address and the rights.") from fault


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
