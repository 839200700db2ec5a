"""Write files and folders whole or not at all, however the writing ends."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from labkit.errors import NotEnoughDisk, StorageError

_PREFIX = ".half-"


@contextlib.contextmanager
def told_clearly(path: Path) -> Iterator[None]:
    """Turn what the system says of a path that cannot be written into what a person can do about it."""
    try:
        yield
    except OSError as fault:
        if isinstance(fault, StorageError | NotEnoughDisk):
            raise
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            free = _free_bytes(path)
            raise StorageError(
                f"The disk of {path.parent} is full ({free / 1e6:,.1f} MB left). Free some, or set LABKIT_HOME to a"
                " folder on another disk."
            ) from fault
        if fault.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                f"{path.parent} cannot be written ({fault.strerror}). Correct its permissions, or set LABKIT_HOME to a"
                " folder of yours."
            ) from fault
        raise StorageError(f"{path} cannot be written: {fault.strerror or fault}.") from fault


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file whole, or leave what was there.

    Raises
    ------
    StorageError
        If the folder cannot be written, or the disk is full.
    """
    content = data.encode() if isinstance(data, str) else data
    with told_clearly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path` that takes its place when the block ends well, and vanishes otherwise.

    Raises
    ------
    StorageError
        If the folder cannot be written, or the disk is full.
    """
    with told_clearly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(dir=path.parent, prefix=_PREFIX))
    try:
        with told_clearly(path):
            yield half
            half.chmod(0o755)
            if path.exists():
                shutil.rmtree(path)
            os.replace(half, path)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written directly in a folder; nobody else may be writing there."""
    for left in folder.glob(f"{_PREFIX}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(next(parent for parent in path.absolute().parents if parent.exists())).free
