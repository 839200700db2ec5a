"""Files and folders that are whole or not there, whatever ends the program that writes them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from labkit import host
from labkit.errors import LabError, StorageError

# Unfinished work is named after its writer, so that the next one can tell what a killed program left behind.
MARK = ".labkit-"

_WHAT_NEXT = {
    errno.ENOSPC: "the disk is full: free some space, or choose a folder on another disk by LABKIT_HOME",
    errno.EDQUOT: "your disk quota is used up: free some space, or choose another folder by LABKIT_HOME",
    errno.EROFS: "it is on a read-only disk: choose a folder that can be written by LABKIT_HOME",
    errno.EACCES: "you may not do that there: correct its owner or rights, or choose another folder by LABKIT_HOME",
    errno.EPERM: "you may not do that there: correct its owner or rights, or choose another folder by LABKIT_HOME",
}


def write_whole(path: str | Path, data: bytes | str, *, mode: int = 0o666) -> None:
    """Write a file so that it is there as a whole or, after any crash, as it was before.

    Parameters
    ----------
    path : str or Path
        Its folder is made where it is missing.
    data : bytes or str
        Text is written as UTF-8.
    mode : int
        The new file's rights, less the process's umask; 0o600 for what nobody else may read.

    Raises
    ------
    StorageError
        If the disk is full or read-only, or the folder may not be written.
    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    with clear_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.parent / _scratch_name()
        try:
            with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place once the block succeeds, and vanishes if it fails.

    Raises
    ------
    StorageError
        If it cannot be written there, or `path` holds something already.
    """
    path = Path(path)
    with scratch_folder(path.parent) as scratch:
        yield scratch
        with clear_errors(path):
            os.rename(scratch, path)
            _sync_folder(path.parent)


@contextlib.contextmanager
def scratch_folder(parent: str | Path) -> Iterator[Path]:
    """Yield an empty folder that vanishes after the block; of a program that was killed, with the next one made there.

    Raises
    ------
    StorageError
        If it cannot be made there.
    """
    parent = Path(parent)
    with clear_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        scratch = parent / _scratch_name()
        scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def clear_errors(place: str | Path, action: str = "written") -> Iterator[None]:
    """Say what is wrong with a place, and what to do, where the system only gives an error number."""
    try:
        yield
    except LabError:  # some of ours are OSErrors too, and say it already
        raise
    except OSError as fault:
        reason = _WHAT_NEXT.get(fault.errno or 0, fault.strerror or str(fault))
        raise StorageError(f"{place} cannot be {action}: {reason}.") from fault


def _scratch_name() -> str:
    return f"{MARK}{os.getpid()}-{secrets.token_hex(4)}@{os.uname().nodename}.part"


def _sweep(folder: Path) -> None:
    """Remove what killed programs left unfinished: those of this host, which alone knows whether they live."""
    for left in folder.glob(f"{MARK}*@{os.uname().nodename}.part"):
        pid = left.name.removeprefix(MARK).partition("-")[0]
        if pid.isdigit() and not host.is_alive(int(pid), None):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename outlast a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
