"""Files of runs and models, in a local folder or at any fsspec URL; each is whole or not there."""

from __future__ import annotations

import hashlib
import re

from labkit.errors import InvalidArgument, InvalidData, StorageError, UnknownName
from labkit.files.urls import list_url, read_url, write_url

_NAME = re.compile(r"[\w@#.+ -]{1,150}")


class Artefacts:
    """A place for files, each in the folder of what it belongs to.

    Parameters
    ----------
    place : str
        A folder's path, or a URL such as `s3://bucket/lab`.
    """

    def __init__(self, place: str) -> None:
        self._place = place.rstrip("/")

    def write(self, owner: str, name: str, content: bytes) -> str:
        """Write a file whole, and return the digest of its content."""
        write_url(self._path(owner, name), content)
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
            content = read_url(self._path(owner, name))
        except StorageError as fault:
            if isinstance(fault.__cause__, FileNotFoundError):
                raise UnknownName(f"{owner} has no artefact {name!r}.") from fault
            raise
        if digest is not None and digest_of(content) != digest:
            raise InvalidData(f"The artefact {name!r} of {owner} was cut short or changed since it was written.")
        return content

    def list(self, owner: str) -> list[str]:
        """Return the names of the files of an owner."""
        return list_url(f"{self._place}/{owner}")

    def _path(self, owner: str, name: str) -> str:
        for part in (owner, name):
            if not _NAME.fullmatch(part) or set(part) <= {"."}:
                raise InvalidArgument(f"{part!r} cannot name an artefact: letters, digits and @#.+-_ only.")
        return f"{self._place}/{owner}/{name}"


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
