"""Files of runs and models, in a local folder or at any fsspec URL; each is whole or not there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import fsspec

from labkit.errors import InvalidArgument, InvalidData, StorageError, UnknownName
from labkit.files.whole import write_whole

_NAME = re.compile(r"[\w@#.+ -]{1,150}")


class Artefacts:
    """A place for files, each in the folder of what it belongs to.

    Parameters
    ----------
    place : str
        A folder's path, or a URL such as `s3://bucket/lab`.
    """

    def __init__(self, place: str) -> None:
        self._place, self._local = place.rstrip("/"), "://" not in place

    def write(self, owner: str, name: str, content: bytes) -> str:
        """Write a file whole, and return the digest of its content."""
        path = self._path(owner, name)
        if self._local:
            write_whole(Path(path), content)
        else:
            try:
                with fsspec.open(path, "wb") as file:  # an object is there when it is closed, or not at all
                    file.write(content)
            except OSError as fault:
                raise StorageError(f"{path} cannot be written: {fault}") from fault
        return digest_of(content)

    def read(self, owner: str, name: str, digest: str | None = None) -> bytes:
        """Return a file's content.

        Raises
        ------
        UnknownName
            If it is not there.
        InvalidData
            If its content is not what was written.
        """
        try:
            with fsspec.open(self._path(owner, name), "rb") as file:
                content = bytes(file.read())
        except FileNotFoundError as fault:
            raise UnknownName(f"{owner} has no artefact {name!r}.") from fault
        if digest is not None and digest_of(content) != digest:
            raise InvalidData(f"The artefact {name!r} of {owner} was cut short or changed since it was written.")
        return content

    def list(self, owner: str) -> list[str]:
        """Return the names of the files of an owner."""
        filesystem, path = fsspec.core.url_to_fs(f"{self._place}/{owner}")
        if not filesystem.isdir(path):
            return []
        return sorted(str(found).rsplit("/", 1)[-1] for found in filesystem.ls(path, detail=False))

    def _path(self, owner: str, name: str) -> str:
        for part in (owner, name):
            if not _NAME.fullmatch(part) or set(part) <= {"."}:
                raise InvalidArgument(f"{part!r} cannot name an artefact: letters, digits and @#.+-_ only.")
        return f"{self._place}/{owner}/{name}"


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
