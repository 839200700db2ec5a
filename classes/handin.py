"""What a student hands in: runs as `labkit runs export` writes them, and what the exercises kept, in one zip."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from classes.reading import MANIFEST, MAX_BYTES, MAX_FILES, PROGRESS, RECORD
from labkit.errors import InvalidArgument
from labkit.files.whole import write_whole
from labkit.lab import Lab

KINDS = ("benchmark", "training", "notebook")


def hand_in(lab: Lab, target: Path, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Write a zip of a lab's finished runs and of what its exercises kept; the host's name and process are left out.

    Parameters
    ----------
    target : Path
        The zip; its name without the ending is the student's name for the class.
    names : sequence of str, optional
        Ids of runs, or their beginnings; all finished ones by default.

    Returns
    -------
    dict
        How many `runs`, `checks` and `predictions`, and the zip's `bytes`.

    Raises
    ------
    InvalidArgument
        If the target is there already, there is nothing to hand in, or it is more than a class collects.
    """
    if target.suffix != ".zip":
        raise InvalidArgument(f"A hand-in is a zip: name it {target.name}.zip, not {target.name}.")
    if target.exists():
        raise InvalidArgument(f"{target} exists already; name another file, or remove it.")
    if names is None:
        runs = [run.id for run in lab.runs.list(status="finished", limit=10_000) if run.kind in KINDS]
    else:
        runs = [lab.runs.get(name).id for name in dict.fromkeys(names)]
    kept = lab.progress.list()
    if not runs and not kept:
        raise InvalidArgument("There is nothing to hand in: no finished run, and no exercise was checked.")
    files = {PROGRESS: _json(kept)}
    for run in sorted(runs):
        files[f"run-{run}/{RECORD}"] = _json({**lab.runs.export(run), "owner": {}})
        files |= {f"run-{run}/{name}": lab.runs.read_artefact(run, name) for name in lab.runs.artefacts(run)}
    n_bytes = sum(map(len, files.values()))
    if n_bytes > MAX_BYTES or len(files) > MAX_FILES - 1:
        raise InvalidArgument(
            f"These are {len(files)} files of {n_bytes / 1e6:.0f} MB; a class collects at most {MAX_FILES} of"
            f" {MAX_BYTES / 1e6:.0f} MB. Choose runs by --runs ID,ID."
        )
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files[MANIFEST] = _json({"labkit": version("labkit"), "files": digests})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    write_whole(target, packed.getvalue())
    counts = {f"{kind}s": sum(each["kind"] == kind for each in kept) for kind in ("check", "prediction")}
    return {"file": str(target), "runs": len(runs), **counts, "bytes": len(packed.getvalue())}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n").encode()
