"""Hand-ins that nobody should trust, and why each is refused."""

from __future__ import annotations

import copy
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.classes.bundles import BENCHMARK, NOTEBOOK, files_of, progress, varied, write_folder, write_zip

ATTACK = "<script>document.title = 'taken'</script>"
NAME = "<script>alert(1)< script>.txt"  # no slash: it is the name of a file


def _files() -> dict[str, str]:
    return files_of([varied(BENCHMARK, 90)], progress(90))


def _changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, str]:
    record = varied(BENCHMARK, 91)
    change(record)
    return files_of([record], None)


def _with_output(data: dict[str, Any]) -> dict[str, str]:
    notebook = copy.deepcopy(NOTEBOOK)
    notebook["cells"][0]["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": data}]
    return {"run-1/04.ipynb": json.dumps(notebook), **files_of([varied(BENCHMARK, 92)], None)}


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        with opened.open("run-1/record.json", "w") as file:
            for _ in range(70):
                file.write(b"\0" * 2**20)
        opened.writestr("progress.json", "[]")


def _link(path: Path) -> None:
    write_folder(path, _files())
    os.symlink("/etc/hostname", path / "run-notes.txt")


def _forge_table(record: dict[str, Any]) -> None:
    record["results"]["tables"]["ray"][1]["speedup"] *= 2


def _forge_digest(record: dict[str, Any]) -> None:
    record["results"]["timings"][4]["digest"] = "0" * 16


def _forge_host(record: dict[str, Any]) -> None:
    record["fingerprints"][0]["usable_cpus"] = 64


def _name_artefact(record: dict[str, Any]) -> None:
    record["artefacts"] = ["../../.ssh/authorized_keys"]


def _zipped(make: Callable[[], dict[str, str]]) -> Callable[[Path], object]:
    return lambda path: write_zip(path, make())


HOSTILE: dict[str, Callable[[Path], object]] = {
    "path-up.zip": _zipped(lambda: {"../../outside.txt": "x", **_files()}),
    "path-absolute.zip": _zipped(lambda: {"/etc/cron.d/x": "x", **_files()}),
    "path-windows.zip": _zipped(lambda: {"..\\..\\outside.txt": "x", **_files()}),
    "path-artefact.zip": _zipped(lambda: _changed(_name_artefact)),
    "bomb.zip": _bomb,
    "link": _link,
    "digest-file.zip": _zipped(lambda: _files() | {"progress.json": "[]"}),
    "digest-host.zip": _zipped(lambda: _changed(_forge_host)),
    "digest-results.zip": _zipped(lambda: _changed(_forge_digest)),
    "table.zip": _zipped(lambda: _changed(_forge_table)),
    "script-html.zip": _zipped(lambda: _with_output({"text/html": ["<b>ok</b>", ATTACK]})),
    "script-handler.zip": _zipped(lambda: _with_output({"text/markdown": "<img src=x onerror=alert(1)>"})),
    "script-javascript.zip": _zipped(lambda: _with_output({"application/javascript": "1"})),
    "script-svg.zip": _zipped(lambda: _with_output({"image/svg+xml": f"<svg>{ATTACK}</svg>"})),
    "endless.zip": _zipped(lambda: {"progress.json": "[" * 100_000}),
    "not-a-number.zip": _zipped(
        lambda: {"progress.json": '[{"exercise": "0.a", "kind": "prediction", "predicted": NaN}]'}
    ),
    NAME: lambda path: path.write_text("a name that is a script"),
    "empty.zip": _zipped(lambda: {"notes.txt": "nothing to see"}),
}

REASONS = {
    "corrupt.zip": "no_zip", "path-up.zip": "path", "path-absolute.zip": "path", "path-windows.zip": "path",
    "path-artefact.zip": "form", "bomb.zip": "bomb", "link": "link", "digest-file.zip": "changed",
    "digest-host.zip": "fingerprint", "digest-results.zip": "results", "table.zip": "table",
    "script-html.zip": "script", "script-handler.zip": "script", "script-javascript.zip": "script",
    "script-svg.zip": "script",
    "endless.zip": "corrupt", "not-a-number.zip": "corrupt", NAME: "neither",
    "empty.zip": "nothing",
}  # fmt: skip
