from __future__ import annotations

import pytest

from labkit.errors import StorageError
from labkit.files.urls import list_url, read_url, write_url


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path):
    return str(tmp_path / "un año") if request.param == "disk" else f"memory://{tmp_path.name}"


def test_bytes_come_back_and_are_listed(place):
    assert list_url(place) == []
    for name in ("b", "a", "below/c"):
        write_url(f"{place}/{name}", name.encode())
    write_url(f"{place}/a", b"again")
    assert read_url(f"{place}/a") == b"again" and read_url(f"{place}/below/c") == b"below/c"
    assert list_url(place) == ["a", "b"]


def test_what_is_not_there_is_said_clearly(place):
    with pytest.raises(StorageError, match="cannot be read"):
        read_url(f"{place}/none")
