"""A class of 30 hand-ins, one that is damaged and some that are hostile, collected once."""

from __future__ import annotations

from pathlib import Path

import pytest

from classes.collect import Collected, collect
from classes.page import to_html
from tests.classes.bundles import write_class
from tests.classes.hostile import HOSTILE


@pytest.fixture(scope="session")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clase") / "entregas"
    write_class(folder)
    whole = (folder / "student-01.zip").read_bytes()
    (folder / "corrupt.zip").write_bytes(whole[: len(whole) // 2])
    for name, write in HOSTILE.items():
        write(folder / name)
    return folder


@pytest.fixture(scope="session")
def collected(class_folder: Path) -> Collected:
    return collect(class_folder)


@pytest.fixture(scope="session")
def pages(collected: Collected) -> dict[str, str]:
    return {lang: to_html(collected, lang) for lang in ("es", "en")}
