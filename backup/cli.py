"""`labkit backup`: make, list, verify, restore and prune backups of a lab."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labkit.cli.app import app
from labkit.cli.options import Json
from labkit.cli.show import console, progress, show_json, show_table
from labkit.errors import InvalidArgument, LabError
from labkit.files.whole import scratch_folder
from labkit.lab import Lab, start

if TYPE_CHECKING:
    from backup.archive import Archive, Backup, Source

backup = typer.Typer(no_args_is_help=True, help="Back up database and artefacts while the lab runs, and restore them.")
app.add_typer(backup, name="backup")

At = Annotated[
    str | None, typer.Option("--at", help="Where backups lie: a folder, or s3://bucket/prefix [LABKIT_BACKUP_URL].")
]
Which = Annotated[str, typer.Argument(help="The backup's id, the beginning of it, or newest.")]


@backup.command("make")
def make(
    at: At = None,
    keep: Annotated[int | None, typer.Option(help="Then remove all but so many of the newest [none].")] = None,
    as_json: Json = False,
) -> None:
    """Back up the database and the artefacts; what goes on meanwhile need not stop."""
    if keep is not None and keep < 1:
        raise InvalidArgument(f"At least 1 backup is kept, not {keep}.")
    lab, archive = start(), _archive(at)
    with _alone(lab, "back up this lab"), progress("Backup", quiet=as_json) as tell:
        made = archive.make(_source(lab), tell)
        removed = archive.prune(keep) if keep is not None else []
    if as_json:
        show_json(_told(made) | {"removed": list(removed)})
        return
    console.print(f"Backup {made.id}: {_words(made)}.", highlight=False)
    if made.lacking:
        console.print(
            f"The lab itself had lost {len(made.lacking)} files that its database names, first {made.lacking[0]}.",
            highlight=False, markup=False,
        )  # fmt: skip
    if removed:
        console.print(f"Removed: {', '.join(removed)}.", highlight=False)


@backup.command("list")
def list_(at: At = None, as_json: Json = False) -> None:
    """List the backups, the newest first."""
    archive, found = _archive(at), []
    lab = start()
    with scratch_folder(lab.folder.root) as scratch:
        for each in reversed(archive.list()):
            try:
                found.append(_told(archive.get(each, scratch)))
            except LabError as fault:
                found.append({"id": each, "fault": str(fault)})
    if as_json:
        show_json(found)
        return
    rows = [
        [each["id"], each["fault"], "", ""] if "fault" in each
        else [each["id"], each["kind"], each["n_files"], f"{each['n_bytes'] / 1e6:,.1f} MB"]
        for each in found
    ]  # fmt: skip
    show_table("Backups", ["backup", "database", "files", "size"], rows, right=2)


@backup.command("verify")
def verify(
    which: Which = "newest",
    at: At = None,
    database_url: Annotated[
        str | None, typer.Option(help="An empty PostgreSQL database, to restore such a dump into.")
    ] = None,
) -> None:
    """Restore a backup elsewhere, and compare the digests of its rows and files."""
    lab, archive = start(), _archive(at)
    with progress("Restoring elsewhere"):
        found, whole = archive.verify(which, lab.folder.root, database_url)
    console.print(f"Backup {found.id} is sound: {_words(found)}, all digests as they were.", highlight=False)
    if not whole:
        console.print(
            "Its dump was read through, not restored: name an empty database by --database-url for that.",
            highlight=False,
        )


@backup.command("restore")
def restore(
    which: Which = "newest",
    at: At = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Make no backup of the present state first; it may be too damaged.")
    ] = False,
) -> None:
    """Put this lab to the state of a backup; the present state is backed up first."""
    from backup.restoring import check_idle
    from backup.restoring import restore as put_back

    lab, archive = start(), _archive(at)
    source = _source(lab)
    archive.list()  # a wrong place is told before anybody is asked
    if not yes and not typer.confirm(f"Put {lab.folder.root} to the state of backup {which}?"):
        return
    with lab.folder.lease("lab", "restore this lab").acquired(), _alone(lab, "restore this lab"):
        check_idle(source)
        if which == "newest":
            which = (archive.list() or [which])[-1]  # not the one that is made now
        if not discard:
            try:
                with progress("Backup of the present state") as tell:
                    before = archive.make(source, tell)
            except LabError as fault:
                raise type(fault)(
                    f"The present state could not be backed up: {fault} To give it up: --discard"
                ) from fault
            console.print(f"The present state is backup {before.id}.", highlight=False)
        with progress("Restore") as tell:
            found = put_back(archive, which, source, tell)
    console.print(f"Restored backup {found.id}: {_words(found)}.", highlight=False)


@backup.command("prune")
def prune(keep: Annotated[int, typer.Option(help="How many of the newest to keep.")], at: At = None) -> None:
    """Remove all but the newest backups, and the files that only those named."""
    lab, archive = start(), _archive(at)
    with _alone(lab, "remove backups"):
        removed = archive.prune(keep)
    console.print(
        f"Removed {len(removed)}: {', '.join(removed)}." if removed else "Nothing to remove.", highlight=False
    )


def _archive(at: str | None) -> Archive:
    from backup.archive import Archive  # only now: SQLAlchemy would be half the start of every other command

    return Archive(_place(at))


def _place(at: str | None) -> str:
    place = at or os.environ.get("LABKIT_BACKUP_URL")
    if not place:
        raise InvalidArgument("Where do backups lie? Name a folder or an s3:// URL by --at, or by LABKIT_BACKUP_URL.")
    return place


def _source(lab: Lab) -> Source:
    from backup.archive import ARTEFACTS, Source

    base = lab.settings.artefacts.rstrip("/") if lab.settings.artefacts else str(lab.folder.root)
    return Source(
        lab.folder.root,
        lab.settings.database or lab.folder.database_url,
        {kind: f"{base}/{kind}" for kind in ARTEFACTS},
    )


def _alone(lab: Lab, purpose: str) -> AbstractContextManager[None]:
    return lab.folder.lease("backup", purpose).acquired()


def _told(found: Backup) -> dict[str, Any]:
    return {"id": found.id, "created": found.created, "kind": found.kind, "n_files": len(found.files),
            "n_bytes": found.n_bytes, "lacking": found.lacking}  # fmt: skip


def _words(found: Backup) -> str:
    sizes = (
        f"{found.n_bytes_database / 1e6:,.1f} MB) and {len(found.files)} files, {found.n_bytes / 1e6:,.1f} MB in all"
    )
    return f"the database ({sizes}"
