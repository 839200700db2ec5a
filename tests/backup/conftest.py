"""A lab with runs, kept results and a model, and the places where its backups go."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import fsspec
import pytest

from backup.archive import ARTEFACTS, Source
from labkit.store.artefacts import Artefacts
from labkit.store.database import ModelRow, now, open_database, writing
from labkit.store.runs import RunStore


@dataclasses.dataclass
class SmallLab:
    """One lab without Ray: as much of it as is backed up."""

    source: Source

    @property
    def runs(self) -> RunStore:
        return RunStore(self.source.database, self.source.artefacts["runs"])

    def add_run(self, text: str = "a result") -> str:
        """Add a finished run with an artefact, a kept result and a model."""
        run = self.runs.start("training", "ensemble", {"text": text}, 1, "d", [])
        self.runs.save_artefact(run.id, "workers.log", f"log of {text}".encode())
        self.runs.checkpoint(run.id).save("task", text.encode())
        model_id = f"m-{run.id}"
        digest = Artefacts(self.source.artefacts["models"]).write(model_id, "ensemble.skops", text.encode() * 50)
        engine = open_database(self.source.database)
        with writing(engine) as session:
            session.add(
                ModelRow(
                    id=model_id, run_id=run.id, created=now(), scores={}, artefact="ensemble.skops", digest=digest,
                    n_bytes=50 * len(text), promoted=False, promoted_at=None,
                )
            )  # fmt: skip
        engine.dispose()
        self.runs.update(run.id, status="finished")
        return run.id


def lab_at(home: Path, database: str | None = None, artefacts: str | None = None) -> SmallLab:
    home.mkdir(parents=True, exist_ok=True)
    base = artefacts or str(home)
    return SmallLab(
        Source(home, database or f"sqlite:///{home / 'lab.db'}", {kind: f"{base}/{kind}" for kind in ARTEFACTS})
    )


@pytest.fixture
def lab(tmp_path: Path) -> SmallLab:
    found = lab_at(tmp_path / "lab")
    found.add_run("first")
    found.add_run("second")
    return found


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An empty bucket of a server of the tests' own."""
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
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("lab")
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # of other endpoints
        yield "s3://lab"
        fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()
