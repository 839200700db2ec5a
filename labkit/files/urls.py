"""Bytes at a path or at any URL that fsspec opens: a local disk and an object store are one code path."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from labkit.errors import InvalidArgument, StorageError
from labkit.files.whole import write_whole

TIMEOUT_S = 10.0


def write_url(url: str, content: bytes) -> None:
    """Write bytes, whole or not at all.

    Raises
    ------
    StorageError
        If they cannot be written there.
    """
    fs, path = _located(url)
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
    fs, path = _located(url)
    try:
        return bytes(fs.cat_file(path))
    except Exception as fault:
        raise StorageError(f"{url} cannot be read ({fault}): check that it is there, and the rights.") from fault


def list_url(url: str) -> list[str]:
    """Return the names of the files right below a URL, in order; none where there is nothing."""
    fs, path = _located(url)
    try:
        found = fs.ls(path, detail=True)
    except FileNotFoundError:
        return []
    except Exception as fault:
        raise StorageError(f"{url} cannot be listed ({fault}): check the address and the rights.") from fault
    names = (entry["name"].rsplit("/", 1)[-1] for entry in found if entry["type"] == "file")
    return sorted(name for name in names if not name.startswith("."))


def fetch_url(url: str, folder: Path, *, timeout_s: float = TIMEOUT_S) -> Path:
    """Return a file's path on this machine; what lies elsewhere is copied into a folder first, piece by piece.

    Parameters
    ----------
    url : str
        A path, or any URL that fsspec opens.
    folder : Path
        Takes the copy.
    timeout_s : float
        The longest silence that is borne, in seconds; the whole may take as long as it needs.

    Raises
    ------
    InvalidArgument
        If no file system has such addresses.
    StorageError
        If it is not there, needs credentials, falls silent or sends elsewhere, to another host.
    """
    if "::" in url:  # what fsspec does behind a chain cannot be limited
        raise InvalidArgument(f"{shown_url(url)} is a chain of addresses: give the address of the file itself.")
    scheme, options = urlsplit(url).scheme, {}
    if scheme in ("http", "https"):
        options = {"client_kwargs": _http_limits(timeout_s), "skip_instance_cache": True}
    elif scheme in ("s3", "s3a"):
        limits = {"connect_timeout": timeout_s, "read_timeout": timeout_s, "retries": {"max_attempts": 1}}
        options = {"config_kwargs": limits, "skip_instance_cache": True}
    fs, path = _located(url, **options)
    if is_local(url):
        if not Path(path).is_file():
            raise StorageError(f"{path} is no file: check the path; of a folder, name one file in it.")
        return Path(path)
    target = folder / (Path(urlsplit(url).path).name or "data")
    try:
        fs.get_file(path, str(target))
    except StorageError:
        raise
    except Exception as fault:
        raise StorageError(f"{shown_url(url)} cannot be read: {_reason(fault, url, timeout_s)}.") from fault
    return target


def _reason(fault: Exception, url: str, timeout_s: float) -> str:
    """Say why a file could not be fetched, and what to do, without the URL's secrets."""
    status, name = getattr(fault, "status", None), type(fault).__name__
    if status in (401, 403) or isinstance(fault, PermissionError) or "Credentials" in name:
        return (
            "it wants credentials that were not given or do not suffice. Give a signed address, or for S3 set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(fault, FileNotFoundError):
        return "nothing is there. Check the address"
    silent, said = f"nothing was heard for {timeout_s:g} s", f"{name}: {fault}".replace(url, shown_url(url))
    why = silent if isinstance(fault, TimeoutError) or "Timeout" in name else f"it answers {status}" if status else said
    return f"{why}. Try again later, or fetch the file yourself and give its path"


def shown_url(url: str) -> str:
    """Return a URL as it may be shown and kept: without the secrets of its user or its signature.

    Examples
    --------
    >>> shown_url("https://me:secret@host/a.csv?signature=secret"), shown_url("data/a.csv")
    ('https://host/a.csv', 'data/a.csv')
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else url


def is_local(url: str) -> bool:
    """Tell whether a URL is a path of this machine.

    Examples
    --------
    >>> is_local("/tmp/lab"), is_local("memory://lab")
    (True, False)
    """
    protocol = _located(url)[0].protocol
    return "file" in (protocol if isinstance(protocol, tuple) else (protocol,))


def _located(url: str, **options: Any) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it."""
    import fsspec

    try:
        fs, path = fsspec.url_to_fs(url, **options)
    except ImportError as fault:
        extra = "s3" if urlsplit(url).scheme in ("s3", "s3a") else ""
        hint = "pip install 'labkit[s3]', from a clone pip install '.[s3]'" if extra else str(fault)
        raise StorageError(f"{shown_url(url)} needs a package that is not installed: {hint}.") from fault
    except ValueError as fault:
        raise InvalidArgument(f"{shown_url(url)} is no address that can be opened ({fault}).") from fault
    return fs, str(path)


def _http_limits(timeout_s: float) -> dict[str, Any]:
    """Return what aiohttp is told: no long silence, and no way to another host, which nobody asked for."""
    import aiohttp

    async def stay(session: Any, context: Any, asked: Any) -> None:
        there = urlsplit(urljoin(str(asked.url), asked.response.headers.get("Location", "")))
        if (there.hostname, there.port) != (asked.url.host, asked.url.explicit_port):
            raise StorageError(
                f"{shown_url(str(asked.url))} sends elsewhere, to the host {there.netloc.rpartition('@')[2]}: if you"
                " trust that host, give the address there."
            )

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(stay)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
    return {"timeout": timeout, "trace_configs": [trace]}
