"""Every solution passes all its checks, in a kernel. Apart from the students' notebooks, so that both run at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.files.folder import LabFolder
from labkit.runner import ROOT
from tests.notebooks.course import NAMES, QUICK, asked, verdicts


def test_the_quick_suite_is_the_whole_course() -> None:
    assert list(QUICK) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes_every_check(ray_cluster: LabFolder, tmp_path: Path, name: str) -> None:
    source = ROOT / "notebooks" / "solutions" / "en" / f"{name}.ipynb"
    assert verdicts(source, ray_cluster, tmp_path / "out.ipynb") == dict.fromkeys(asked(name), "right")
