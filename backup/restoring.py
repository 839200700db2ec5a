"""The way back: a lab put to the state of a backup, or left as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from backup.archive import Archive, Backup, Source, compare
from backup.dumps import kind_of, sqlite_content, undump
from backup.place import Place, digest_of_file
from labkit.errors import Busy, InvalidArgument, LabError
from labkit.files.whole import scratch_folder
from labkit.store.database import open_database
from labkit.store.runs import RunStore

Step = Callable[[str, float], None]


def restore(archive: Archive, backup_id: str, target: Source, on_step: Step = lambda *_: None) -> Backup:
    """Put a lab to the state of a backup.

    All is brought and compared before anything changes. Then new files come beside the old ones, which the old database
    does not name; the database changes whole; last, what is no longer named goes. Whatever interrupts it before the
    database's step leaves the lab as it was; after it, doing it again completes it.

    Raises
    ------
    Busy
        If a run goes on in the lab.
    InvalidArgument
        If the backup is of another kind of database.
    InvalidData
        If the backup is damaged.
    """
    with scratch_folder(target.home) as scratch:
        found = archive.get(backup_id, scratch)
        if found.kind != kind_of(target.database):
            raise InvalidArgument(
                f"Backup {found.id} is of {found.kind}, and this lab's database is {kind_of(target.database)}: set"
                " LABKIT_DATABASE_URL to one of that kind."
            )
        check_idle(target)
        on_step("bringing and comparing", 0.1)
        archive.bring(found, scratch)
        dumped = scratch / found.database
        if found.kind == "sqlite":
            compare(found, sqlite_content(dumped))
        places = {kind: Place(url) for kind, url in target.artefacts.items()}
        there = {f"{kind}/{name}" for kind, place in places.items() for name in place.sizes()}
        on_step("files", 0.5)
        for name in found.files.keys() - there:
            _store(places, name, scratch / found.files[name][0])
        on_step("database", 0.7)
        undump(dumped, target.database)
        on_step("files that differ", 0.8)
        for name in found.files.keys() & there:
            if _differs(places, name, found.files[name][0]):
                _store(places, name, scratch / found.files[name][0])
        for name in there - found.files.keys():
            kind, _, rest = name.partition("/")
            places[kind].remove(rest)
    open_database(target.database).dispose()  # of an older schema it is brought up to date
    return found


def check_idle(target: Source) -> None:
    """Make sure that nothing runs in a lab.

    Raises
    ------
    Busy
        If a run does.
    """
    try:
        runs = RunStore(target.database, target.artefacts["runs"])
        runs.reconcile()
        going = runs.list(status="running", limit=1) or runs.list(status="waiting", limit=1)
    except Busy:
        raise
    except LabError:
        return  # it cannot be opened, which may be why somebody restores
    if going:
        raise Busy(f"Run {going[0].id} of this lab is {going[0].status}: wait for it, or cancel it, then restore.")


def _store(places: dict[str, Place], name: str, path: Path) -> None:
    kind, _, rest = name.partition("/")
    places[kind].store(path, rest)


def _differs(places: dict[str, Place], name: str, digest: str) -> bool:
    kind, _, rest = name.partition("/")
    place = places[kind]
    if place.local:
        return digest_of_file(Path(place.url, rest)) != digest
    with tempfile.TemporaryDirectory() as scratch:
        return place.fetch(rest, Path(scratch) / "file") != digest
