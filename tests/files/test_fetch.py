"""Files fetched over real HTTP and a real S3 interface, on the loopback address."""

from __future__ import annotations

import http.server
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import fsspec
import pytest

from labkit.errors import InvalidArgument, StorageError
from labkit.files.urls import fetch_url

CONTENT = b"a,b\n1,2\n"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as its path says."""

    def do_GET(self) -> None:
        place = self.path.partition("?")[0]
        if place == "/silent.csv":
            time.sleep(1.5)
            return
        status = {"/none.csv": 404, "/who.csv": 401, "/secret.csv": 403, "/ill.csv": 500}.get(place, 200)
        self.send_response(302 if place in ("/away.csv", "/moved.csv") else status)
        if place == "/away.csv":
            self.send_header(
                "Location", f"http://user:pass@localhost:{self.server.server_address[1]}/own.csv?key=hidden"
            )
        if place == "/moved.csv":
            self.send_header("Location", "/own.csv")
        self.send_header("Content-Length", str(len(CONTENT) + 100 * (place == "/short.csv")))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_path_of_this_machine_is_read_where_it_lies(tmp_path: Path) -> None:
    (path := tmp_path / "año mío.csv").write_bytes(CONTENT)
    assert fetch_url(str(path), tmp_path) == fetch_url(f"file://{path}", tmp_path) == path


@pytest.mark.parametrize("place", ["own.csv", "moved.csv", "own.csv?signature=x"])
def test_a_file_is_fetched_and_followed_within_its_host(web: str, tmp_path: Path, place: str) -> None:
    found = fetch_url(f"{web}/{place}", tmp_path)
    assert found.read_bytes() == CONTENT and found.parent == tmp_path and found.suffix == ".csv"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none.csv", "nothing is there"),
        ("who.csv", "wants credentials"),
        ("secret.csv", "wants credentials"),
        ("ill.csv", "it answers 500"),
        ("short.csv", "ClientPayloadError"),
        ("silent.csv", "nothing was heard for 0.3 s"),
        ("away.csv", r"sends elsewhere, to the host localhost:\d+: if you trust that host"),
    ],
)
def test_what_cannot_be_fetched_is_told_with_what_to_do_and_no_secret(
    web: str, tmp_path: Path, place: str, message: str
) -> None:
    url = f"{web.replace('//', '//me:word@')}/{place}?signature=hidden"
    with pytest.raises(StorageError, match=message) as told:
        fetch_url(url, tmp_path, timeout_s=0.3)
    assert not any(secret in str(told.value) for secret in ("hidden", "word", "pass"))


def test_a_host_that_refuses_or_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"127\.0\.0\.1:9"):
        fetch_url("http://127.0.0.1:9/own.csv", tmp_path)


@pytest.mark.parametrize("url", ["nothing://host/a.csv", "simplecache::http://127.0.0.1:9/a.csv"])
def test_an_address_that_nothing_can_open_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidArgument, match="address"):
        fetch_url(url, tmp_path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no file"):
        fetch_url(str(tmp_path), tmp_path)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.get_host_and_port()[1]}", "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "word", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        reset = Request(f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST")
        urlopen(reset, timeout=30).close()  # servers of one process share what they hold
        fs = fsspec.filesystem("s3", skip_instance_cache=True)
        fs.mkdir("lab")
        fs.pipe_file("lab/own.csv", CONTENT)
        yield "s3://lab"
    server.stop()


def test_an_object_is_fetched_from_s3(bucket: str, tmp_path: Path) -> None:
    assert fetch_url(f"{bucket}/own.csv", tmp_path).read_bytes() == CONTENT


def test_what_s3_lacks_or_gives_nobody_is_told(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="nothing is there"):
        fetch_url(f"{bucket}/none.csv", tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="wants credentials"):
        fetch_url(f"{bucket}/own.csv", tmp_path)


def test_without_s3fs_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)  # what it has imported already
    with pytest.raises(StorageError, match=r"pip install 'labkit\[s3\]'"):
        fetch_url("s3://lab/own.csv", tmp_path)
