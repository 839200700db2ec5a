"""One lab: its settings, its folder, its stores, and the cluster it is attached to.

A notebook begins with `lab = labkit.start()`; a command line does the same. What follows takes arguments and reads no
environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import host
from labkit.errors import InvalidArgument
from labkit.files.folder import LabFolder
from labkit.files.whole import write_whole

if TYPE_CHECKING:
    from labkit.data.prepare import Dataset
    from labkit.pipeline import Job
    from labkit.store.models import ModelStore
    from labkit.store.progress import ProgressStore
    from labkit.store.runs import RunStore

LANGUAGES = ("en", "es")
Progress = Callable[[str, float], None]
_started: list[Lab] = []


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the environment says.

    Parameters
    ----------
    home : Path
        The lab's folder (`LABKIT_HOME`; `.lab` in the clone by default).
    ray_address : str or None
        Another Ray cluster to attach to (`RAY_ADDRESS`).
    database : str or None
        A database URL such as `postgresql://me@host/lab` (`LABKIT_DATABASE_URL`; SQLite in the folder by default).
    artefacts : str or None
        An fsspec URL for artefacts (`LABKIT_ARTEFACTS_URL`; the folder by default).
    lang : str
        The language of texts, "en" or "es" (`LABKIT_LANG`).
    """

    home: Path
    ray_address: str | None = None
    database: str | None = None
    artefacts: str | None = None
    lang: str = "en"

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings, and report all their faults together."""
        values = os.environ if environment is None else environment
        faults = []
        home = Path(values.get("LABKIT_HOME") or Path(__file__).resolve().parents[1] / ".lab").expanduser()
        if "\0" in str(home):
            faults.append("LABKIT_HOME holds a character that no path may have")
        lang = values.get("LABKIT_LANG") or "en"
        if lang not in LANGUAGES:
            faults.append(f"LABKIT_LANG must be en or es, not {lang!r}")
        database = values.get("LABKIT_DATABASE_URL") or None
        if database and "://" not in database:
            faults.append("LABKIT_DATABASE_URL must be a URL such as postgresql://me@host/lab or sqlite:////tmp/lab.db")
        if faults:
            raise InvalidArgument("; ".join(faults) + ".")
        address, artefacts = values.get("RAY_ADDRESS") or None, values.get("LABKIT_ARTEFACTS_URL") or None
        return cls(home.absolute(), address, database, artefacts, lang)


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab that is set up: everything a notebook or a command needs."""

    settings: Settings

    @functools.cached_property
    def folder(self) -> LabFolder:
        """The lab's folder, made if it is not there."""
        folder = LabFolder(self.settings.home)
        folder.ensure()
        return folder

    @functools.cached_property
    def runs(self) -> RunStore:
        """All runs of this lab."""
        from labkit.store.runs import RunStore

        return RunStore(self._database, self._artefacts("runs"))

    @functools.cached_property
    def progress(self) -> ProgressStore:
        """What was checked and predicted in this lab's exercises."""
        from labkit.store.progress import ProgressStore

        return ProgressStore(self._database)

    @functools.cached_property
    def models(self) -> ModelStore:
        """All trained ensembles of this lab."""
        from labkit.store.models import ModelStore

        return ModelStore(self._database, self._artefacts("models"))

    def attach(self) -> str:
        """Attach to the cluster of this lab, or to the one that the settings name; return its address."""
        from labkit.parallel.cluster import attach
        from labkit.parallel.output import show_in_cells

        address = attach(self.folder, self.settings.ray_address)
        show_in_cells()
        return address

    def prepare(
        self,
        *,
        days: int | None = None,
        scale: int = 1,
        n_shards: int = 8,
        plan: str = "balanced",
        data: str | None = None,
        target: str | None = None,
        time_column: str | None = None,
        types: Mapping[str, str] | None = None,
        on_summary: Callable[[Sequence[str]], None] | None = None,
        on_progress: Progress | None = None,
    ) -> Dataset:
        """Prepare the flights, or your own `data` with a `target`; or load what is prepared already.

        Parameters are those of `labkit.data.prepare.prepare` and `prepare_own`.
        """
        from labkit.data.prepare import prepare, prepare_own

        if (data is None) != (target is None) or (data is not None and days is not None):
            raise InvalidArgument("Your own data need a path or URL and a target, and no days: those are of flights.")
        with self.folder.lease("data", "prepare data").acquired(wait_s=600.0):
            if data is None or target is None:
                return prepare(
                    self.folder.data, days=days, scale=scale, n_shards=n_shards, plan=plan, on_progress=on_progress
                )
            return prepare_own(
                self.folder.data, data, target, time_column=time_column, types=types, scale=scale, n_shards=n_shards,
                plan=plan, on_summary=on_summary, on_progress=on_progress,
            )  # fmt: skip

    def load(self, key: str) -> Dataset:
        """Load what was prepared under a key."""
        from labkit.data.prepare import load

        return load(self.folder.data, key)

    def train(
        self,
        dataset: Dataset,
        *,
        recipes: Sequence[str] | None = None,
        engine: str = "ray",
        n_workers: int | None = None,
        by: str = "model",
        resume: str | None = None,
        run_id: str | None = None,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Train an ensemble, keep it, and return the record of the run: a new one, or one that was accepted before."""
        from labkit.pipeline import train_run

        if engine == "ray":
            self.attach()
        with self._output_kept(engine == "ray", resume or run_id):
            return train_run(
                dataset, self.runs, self.models, recipes=recipes, engine_name=engine, by=by, resume=resume,
                run_id=run_id, n_workers=n_workers or (1 if engine == "sequential" else host.usable_cpus()),
                fingerprints=self.fingerprints(engine), calibrated=self.calibration, on_progress=on_progress,
            )  # fmt: skip

    def measure(
        self,
        dataset: Dataset,
        *,
        engines: Sequence[str] = ("ray",),
        workers: Iterable[int] = (1, 2),
        rounds: int = 3,
        recipes: Sequence[str] | None = None,
        latency_s: float | None = None,
        weak: bool = False,
        run_id: str | None = None,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Measure speedups of training, or with a latency of fetching late shards; return the record of the run.

        In weak scaling each further worker brings a further shard to train on.

        One benchmark at a time runs on this machine; another waits.
        """
        from labkit.parallel.processes import start_server
        from labkit.scaling.benchmark import benchmark_run

        start_server()  # its imports go on while Ray is attached to
        if "ray" in engines:
            self.attach()
            from labkit.parallel.cluster import n_nodes

            if latency_s is not None and n_nodes() > 1:
                raise InvalidArgument("The late store serves one host alone: measure a latency without other nodes.")
        with self._output_kept("ray" in engines, run_id):
            return benchmark_run(
                dataset, self.runs, engines=tuple(engines), workers=tuple(workers), rounds=rounds, recipes=recipes,
                latency_s=latency_s, weak=weak, run_id=run_id, fingerprints=self.fingerprints(engines[0]),
                calibrated=self.calibration, on_progress=on_progress,
            )  # fmt: skip

    def calibration(self, job: Job) -> dict[str, float]:
        """Return this host's cost factors by recipe; each is measured once, in some seconds, and then kept."""
        from labkit.learning.costs import calibrate

        path = self.folder.root / f"costs-{host.fingerprint()['digest']}.json"
        kept: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
        missing = {fit.recipe.name: fit.recipe for fit in job.fits if fit.recipe.name not in kept}
        if missing:
            kept |= calibrate(next(iter(job.blocks.values())), job.categorical, missing.values())
            write_whole(path, json.dumps(kept, indent=1))
        return kept

    def fingerprints(self, engine: str) -> list[dict[str, Any]]:
        """Return one fingerprint a node of what an engine runs on, this host's own first."""
        here = host.fingerprint()
        if engine != "ray":
            return [here]
        from labkit.parallel.cluster import n_nodes, nodes

        if n_nodes() == 1:  # this host, or the one the cluster consists of: asking it would start one more process
            return [here]
        return [here, *(node["fingerprint"] for node in nodes() if node["fingerprint"]["digest"] != here["digest"])]

    @contextlib.contextmanager
    def _output_kept(self, on_ray: bool, run_id: str | None) -> Iterator[None]:
        """Keep what Ray's workers print meanwhile with the run, whether it ends well or not."""
        if not on_ray:
            yield
            return
        from labkit.parallel.output import worker_output

        output = worker_output()
        try:
            yield
        finally:
            if lines := output.fresh():
                mine = (run.id for run in self.runs.list() if run.owner.get("pid") == os.getpid())
                self.runs.save_artefact(run_id or next(mine), "workers.log", "\n".join(lines).encode())

    @property
    def _database(self) -> str:
        return self.settings.database or self.folder.database_url

    def _artefacts(self, kind: str) -> str:
        return (
            f"{self.settings.artefacts.rstrip('/')}/{kind}" if self.settings.artefacts else str(self.folder.root / kind)
        )


def start(**changes: Any) -> Lab:
    """Open the lab that the environment describes; keyword arguments other than None change single settings.

    In a notebook its own language holds, which stands in its metadata.

    Examples
    --------
    >>> start(home="/tmp/somewhere", lang="es").settings.lang
    'es'
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    if "home" in changes:
        changes["home"] = Path(changes["home"]).absolute()
    if lang := _notebook_lang(os.environ.get("JPY_SESSION_NAME") or _vs_codes_notebook()):
        changes.setdefault("lang", lang)
    if changes.get("lang", "en") not in LANGUAGES:
        raise InvalidArgument(f"The language is {' or '.join(LANGUAGES)}, not {changes['lang']!r}.")
    _started[:] = [Lab(dataclasses.replace(Settings.read(), **changes))]
    return _started[0]


def current() -> Lab:
    """Return the lab that this program started last; start one if it has not."""
    return _started[0] if _started else start()


def _vs_codes_notebook() -> str | None:
    """Return the file of the notebook that VS Code runs: it leaves the name in the kernel, not in the environment."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return None if shell is None else shell.user_ns.get("__vsc_ipynb_file__")


def _notebook_lang(path: str | None) -> str | None:
    """Return the language of the notebook that this kernel runs, as Jupyter names its file."""
    try:
        lang = json.loads(Path(path or "").read_text("utf-8"))["metadata"]["labkit"]["lang"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return lang if lang in LANGUAGES else None
