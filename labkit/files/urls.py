"""Bytes at a path or at any URL that fsspec opens: a local disk and an object store are one code path."""

from __future__ import annotations

from labkit.errors import StorageError
from labkit.files.whole import write_whole


def write_url(url: str, content: bytes) -> None:
    """Write bytes, whole or not at all.

    Raises
    ------
    StorageError
        If they cannot be written there.
    """
    import fsspec

    fs, path = fsspec.url_to_fs(url)
    if is_local(url):
        write_whole(path, content)
        return
    try:
        fs.pipe_file(path, content)  # an object store shows an object only once it is whole
    except Exception as fault:
        raise StorageError(f"{url} cannot be written ({fault}): check the address and the rights.") from fault


def read_url(url: str) -> bytes:
    """Read bytes.

    Raises
    ------
    StorageError
        If there are none, or they cannot be read.
    """
    import fsspec

    fs, path = fsspec.url_to_fs(url)
    try:
        return bytes(fs.cat_file(path))
    except Exception as fault:
        raise StorageError(f"{url} cannot be read ({fault}): check that it is there, and the rights.") from fault


def list_url(url: str) -> list[str]:
    """Return the names of the files right below a URL, in order; none where there is nothing."""
    import fsspec

    fs, path = fsspec.url_to_fs(url)
    try:
        found = fs.ls(path, detail=True)
    except FileNotFoundError:
        return []
    except Exception as fault:
        raise StorageError(f"{url} cannot be listed ({fault}): check the address and the rights.") from fault
    names = (entry["name"].rsplit("/", 1)[-1] for entry in found if entry["type"] == "file")
    return sorted(name for name in names if not name.startswith("."))


def is_local(url: str) -> bool:
    """Tell whether a URL is a path of this machine.

    Examples
    --------
    >>> is_local("/tmp/lab"), is_local("memory://lab")
    (True, False)
    """
    import fsspec

    protocol = fsspec.url_to_fs(url)[0].protocol
    return "file" in (protocol if isinstance(protocol, tuple) else (protocol,))
