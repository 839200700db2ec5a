"""Backups in a place: made, listed, checked, thinned out.

A file is kept once, under the digest of what is in it, however many backups name it. A backup is one manifest, written
last and named after its own digest: what has no manifest is no backup, and a changed one is told.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from backup.dumps import Content, check_empty, content_of, dump, kind_of, read_through, undump
from backup.place import Place, digest_of_file
from labkit.errors import InvalidArgument, InvalidData, NotEnoughDisk, UnknownName
from labkit.files.urls import shown_url
from labkit.files.whole import scratch_folder
from labkit.store.database import now

Progress = Callable[[str, float], None]
ARTEFACTS = ("runs", "models")
_MARKER, _LAYOUT = "labkit-backups", "1"
_NAME = re.compile(r"backups/(\d{8}-\d{6}(?:\d{6})?-[0-9a-f]{12})\.json")  # the first ones had no microseconds


@dataclasses.dataclass(frozen=True)
class Source:
    """What is backed up, and restored: a database, and artefacts by kind."""

    home: Path
    database: str
    artefacts: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Backup:
    """One backup: when, of what kind of database, and the digest and size of each file by its name."""

    id: str
    created: str
    kind: str
    database: str
    n_bytes_database: int
    rows: dict[str, str]
    files: dict[str, tuple[str, int]]  # its digest, its bytes
    lacking: list[str]  # what the lab itself had lost: named by a row, and not there as it was written

    @property
    def n_bytes(self) -> int:
        """All bytes that a restore brings."""
        return self.n_bytes_database + sum(size for _, size in self.files.values())


class Archive:
    """All backups of one lab, in one place.

    Parameters
    ----------
    url : str
        A folder's path, or a URL such as `s3://bucket/backups`.
    """

    def __init__(self, url: str) -> None:
        self.place = Place(url)

    def begin(self, source: Source) -> None:
        """Make sure that backups can be kept here.

        Raises
        ------
        InvalidArgument
            If the place lies within the lab, or holds something else.
        """
        if self.place.local:
            here = Path(self.place.url.removeprefix("file://")).resolve()
            if here.is_file():
                raise InvalidArgument(f"{here} is a file: name a folder.")
            within = [place for place in (str(source.home), *source.artefacts.values()) if "://" not in place]
            if any(here.is_relative_to(Path(place).resolve()) for place in within):
                raise InvalidArgument(
                    f"{here} lies within the lab that is backed up, and would go with it: name a place elsewhere."
                )
        elif any(f"{self.place.url}/".startswith(f"{place.rstrip('/')}/") for place in source.artefacts.values()):
            raise InvalidArgument(f"{shown_url(self.place.url)} lies among the artefacts: name a place elsewhere.")
        if not self.place.has(_MARKER):
            if found := self.place.sizes():
                raise InvalidArgument(
                    f"{shown_url(self.place.url)} holds no backups, and is not empty (it holds {next(iter(found))}):"
                    " name an empty or a new place."
                )
            with scratch_folder(source.home) as scratch:
                (scratch / _MARKER).write_text(f"{_LAYOUT}\n")
                self.place.store(scratch / _MARKER, _MARKER)

    def list(self) -> list[str]:
        """Return the ids of all backups, the oldest first.

        Raises
        ------
        UnknownName
            If this is no place of backups.
        """
        if not self.place.has(_MARKER):
            raise UnknownName(f"{shown_url(self.place.url)} holds no backups of labkit: correct the place.")
        return [found[1] for name in self.place.sizes("backups") if (found := _NAME.fullmatch(name))]

    def get(self, backup_id: str, scratch: Path) -> Backup:
        """Return a backup by its id, the beginning of it, or "newest".

        Raises
        ------
        UnknownName
            If there is no such one.
        InvalidData
            If its manifest was changed.
        """
        ids = self.list()
        found = (
            ids[-1:] if backup_id == "newest" else [each for each in ids if backup_id and each.startswith(backup_id)]
        )
        if len(found) != 1:
            raise UnknownName(
                f"There is no one backup {backup_id!r} at {shown_url(self.place.url)}: labkit backup list"
            )
        path = scratch / f"{found[0]}.json"
        digest = self.place.fetch(f"backups/{found[0]}.json", path)
        if not found[0].endswith(digest[:12]):
            raise InvalidData(f"The manifest of backup {found[0]} was changed or cut short: take another backup.")
        return Backup(found[0], **json.loads(path.read_text("utf-8")))

    def make(self, source: Source, on_progress: Progress = lambda *_: None) -> Backup:
        """Back a lab up while it runs.

        The database first, then the artefacts: these are written before the rows that name them, so that each row of
        the dump finds its file.
        """
        self.begin(source)
        kept = self.place.sizes("files")
        with scratch_folder(source.home) as scratch:
            on_progress("database", 0.0)
            path = scratch / "file"
            content = dump(source.database, path)
            database, n_bytes = self._keep(path, kept)
            names = [(kind, Place(url), name) for kind, url in source.artefacts.items() for name in Place(url).sizes()]
            files = {}
            for done, (kind, place, name) in enumerate(names):
                on_progress(name, (done + 1) / (len(names) + 1))
                with contextlib.suppress(UnknownName):  # removed meanwhile
                    place.fetch(name, path)
                    files[f"{kind}/{name}"] = self._keep(path, kept)
            lacking = sorted(name for name, digest in content.named.items() if files.get(name, ("",))[0] != digest)
            record = {"created": now(), "kind": kind_of(source.database), "database": database, "rows": content.rows,
                      "n_bytes_database": n_bytes, "files": files, "lacking": lacking}  # fmt: skip
            path.write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8")
            made = f"{datetime.now(UTC):%Y%m%d-%H%M%S%f}-{digest_of_file(path)[:12]}"
            self.place.store(path, f"backups/{made}.json")
            return self.get(made, scratch)

    def bring(self, found: Backup, target: Path) -> None:
        """Bring all files of a backup into a folder of this machine, each under its digest, and compare each.

        Raises
        ------
        NotEnoughDisk
            If they have no room there.
        InvalidData
            If one is missing or is not what was kept.
        """
        free = shutil.disk_usage(target).free
        if found.n_bytes > free:
            raise NotEnoughDisk(
                f"Backup {found.id} holds {found.n_bytes / 1e6:,.0f} MB, and {target.parent} has {free / 1e6:,.0f} MB"
                " left: free some space, or choose a folder on another disk by LABKIT_HOME."
            )
        names = {found.database: "the database"} | {digest: name for name, (digest, _) in found.files.items()}
        for digest, name in names.items():
            try:
                came = self.place.fetch(_kept_as(digest), target / digest)
            except UnknownName as fault:
                raise InvalidData(f"Backup {found.id} lacks {name}: take another backup.") from fault
            if came != digest:
                raise InvalidData(f"Backup {found.id} holds a damaged {name}: take another backup.")

    def verify(self, backup_id: str, home: Path, database: str | None = None) -> tuple[Backup, bool]:
        """Restore a backup elsewhere, and compare every digest; tell whether the database was restored too.

        Parameters
        ----------
        backup_id : str
            As for `get`.
        home : Path
            A folder on a disk with room for it; nothing stays there.
        database : str, optional
            An empty PostgreSQL database to restore such a dump into; without it the dump is only read through.
        """
        with scratch_folder(home) as scratch:
            found = self.get(backup_id, scratch)
            self.bring(found, scratch)
            dumped = scratch / found.database
            if found.kind == "postgresql":
                read_through(dumped)
                if database is None:
                    return found, False
                check_empty(database)
            else:
                database = f"sqlite:///{scratch / 'elsewhere'}"
            undump(dumped, database)
            compare(found, content_of(database))
        return found, True

    def prune(self, keep: int) -> Sequence[str]:
        """Remove all but the newest backups, then the files that none names; return the ids of those removed."""
        if keep < 1:
            raise InvalidArgument(f"At least 1 backup is kept, not {keep}.")
        ids = self.list()
        with tempfile.TemporaryDirectory() as scratch:
            kept = [self.get(each, Path(scratch)) for each in ids[-keep:]]  # first: a damaged one stops all
        for each in ids[:-keep]:
            self.place.remove(f"backups/{each}.json")
        named = {_kept_as(digest) for each in kept for digest in (each.database, *(d for d, _ in each.files.values()))}
        for name in self.place.sizes("files"):
            if name not in named:
                self.place.remove(name)
        return ids[:-keep]

    def _keep(self, path: Path, kept: dict[str, int]) -> tuple[str, int]:
        """Keep a file unless it is kept already; return its digest and its size."""
        digest, size = digest_of_file(path), path.stat().st_size
        name = _kept_as(digest)
        if kept.get(name) != size:
            self.place.store(path, name)
            kept[name] = size
        return digest, size


def compare(found: Backup, content: Content) -> None:
    """Make sure that a database holds the rows of a backup, and that the backup holds what they name.

    Raises
    ------
    InvalidData
        If a table differs, or a file is not there.
    """
    wrong = sorted(name for name in {*found.rows, *content.rows} if found.rows.get(name) != content.rows.get(name))
    wrong += sorted(
        name for name, digest in content.named.items()
        if name not in found.lacking and found.files.get(name, ("",))[0] != digest
    )  # fmt: skip
    if wrong:
        raise InvalidData(f"What came back is not what backup {found.id} was made of: {', '.join(wrong[:5])}.")


def _kept_as(digest: str) -> str:
    return f"files/{digest[:2]}/{digest}"
