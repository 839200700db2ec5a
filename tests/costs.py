"""A host's cost factors, kept in a new lab before it would measure them.

The first training of a lab fits each recipe twice to learn what it costs here: some seconds in each test that opens a
lab of its own. The estimate orders tasks and is no result, so a test of something else takes it from here;
tests/learning/test_costs.py measures for real.
"""

from __future__ import annotations

import json
from pathlib import Path

from labkit import host
from labkit.files.folder import LabFolder
from labkit.learning.recipes import catalogue

FACTOR = 2.0  # measured over reference time of a dozen days' rows, 3 on a quiet machine of 2 cores: rather too early a
# fault in a task, which notebook 07 strikes at a third of its estimate, than one after its end


def give_costs(home: Path) -> Path:
    """Keep a factor for each recipe where `labkit` looks for those of this host; return the lab's folder, made if new.

    Parameters
    ----------
    home : Path
        The lab's folder.
    """
    LabFolder(home).ensure()
    factors = {recipe.name: FACTOR for recipe in catalogue()}
    (home / f"costs-{host.fingerprint()['digest']}.json").write_text(json.dumps(factors), "utf-8")
    return home
