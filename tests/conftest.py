"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.files.folder import LabFolder


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabFolder]:
    """One Ray head a test process, attached; its lab folder is yielded."""
    from labkit.parallel.cluster import attach, detach
    from labkit.parallel.head import start_head, stop_head

    folder = LabFolder(tmp_path_factory.mktemp("lab"))
    folder.ensure()
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
