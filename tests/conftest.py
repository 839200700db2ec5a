"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Pool, event

from labkit.files.folder import LabFolder
from tests import postgresql
from tests.costs import give_costs

# Longest first, as the course teaches: whatever long file is begun last keeps one process busy while the other idles.
LONGEST = (
    "test_solutions",
    "test_students",
    "test_endings",
    "test_first_boot",
    "test_commands",
    "test_faults",
    "test_server",
    "test_dashboard",
    "test_jupyterlab",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabFolder]:
    """One Ray head a test process, attached; its lab folder is yielded."""
    from labkit.parallel.cluster import attach, detach
    from labkit.parallel.head import start_head, stop_head

    folder = LabFolder(give_costs(tmp_path_factory.mktemp("lab")))
    start_head(folder, port=0, n_cpus=4, with_parent=True)  # room for two crews of two
    try:
        attach(folder)
        yield folder
        detach()
    finally:
        stop_head(folder)


@pytest.fixture
def lab_folder(tmp_path: Path) -> LabFolder:
    """An empty lab folder."""
    folder = LabFolder(tmp_path / "lab")
    folder.ensure()
    return folder


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """One PostgreSQL server a test process; its URL is yielded, with `{name}` in place of the database."""
    with postgresql.server() as place:
        yield place


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database; connections to it that a test leaves open are closed."""
    opened: list[Any] = []

    def keep(connection: Any, _: object) -> None:
        opened.append(connection)

    event.listen(Pool, "connect", keep)
    with postgresql.database(postgresql_server) as url:
        yield url
        event.remove(Pool, "connect", keep)
        for connection in opened:
            connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lab.db"
    return str(request.getfixturevalue("postgresql_url"))
