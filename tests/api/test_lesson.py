"""Services of a lesson: found where they run, and a fault that services tell of. Takes about 1 s beside the lab."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from api.lesson import find_server, own_lab, plant_fault
from api.predictor import Predictor
from api.problems import Problem
from labkit.cli.lab import ADDRESS_FILE
from labkit.lab import Lab
from labkit.parallel.service import free_port


def test_services_that_have_ended_are_not_found(lab: Lab, tmp_path: Path) -> None:
    own = own_lab(lab, tmp_path / "lab")
    assert find_server(own) is None
    (own.folder.root / ADDRESS_FILE).write_text(f"http://127.0.0.1:{free_port()}/?token=none\n")
    assert find_server(own) is None


def test_the_planted_fault_takes_predictions_away_until_the_model_before_is_back(lab: Lab, tmp_path: Path) -> None:
    shutil.copytree(lab.folder.root, tmp_path / "lab")
    own = own_lab(lab, tmp_path / "lab")
    predictor, good = Predictor(own.models), own.models.get().id
    predictor.refresh()
    assert predictor.served.id == good
    plant_fault(own)
    predictor.refresh()
    with pytest.raises(Problem, match="cut short or changed") as fault:
        _ = predictor.served
    assert (fault.value.status, fault.value.code) == (503, "no-model")
    before = own.models.before()
    assert before is not None and before.id == good
    own.models.promote(good, back=True)
    predictor.refresh()
    assert predictor.served.id == good
