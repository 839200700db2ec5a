"""Process → train → vote → score → keep, on any engine: what notebooks, commands and benchmarks share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.data.features import FeatureBlock
from labkit.errors import InvalidArgument, LabError
from labkit.files.urls import is_local, read_url
from labkit.learning.costs import cost_s
from labkit.learning.ensemble import Ensemble, Member, combine, digest
from labkit.learning.fitting import Fit, merge_parts, merge_probabilities, plan_fits
from labkit.learning.recipes import catalogue
from labkit.learning.scores import calibration_curve, score
from labkit.parallel.actors import DataProcessor, ModelTrainer, Trained
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import check_workers, engine
from labkit.parallel.tasks import Task, TaskEvent

if TYPE_CHECKING:
    from labkit.data.prepare import Dataset
    from labkit.data.shards import Shard
    from labkit.store.models import ModelStore
    from labkit.store.runs import RunStore

SEED = 2013
WAYS = ("model", "shard")
OnEvent = Callable[[TaskEvent], None]


@dataclasses.dataclass(frozen=True)
class Job:
    """All that training needs, fixed before an engine or a number of workers is chosen.

    Parameters
    ----------
    fits : tuple of Fit
        In the order in which votes are summed.
    blocks : mapping of str to FeatureBlock
        Training rows by the names that tasks ask for.
    valid, test : FeatureBlock
        Rows that weigh the votes, and rows that judge the ensemble.
    categorical : tuple of int
        Columns that hold codes.
    """

    fits: tuple[Fit, ...]
    blocks: Mapping[str, FeatureBlock]
    valid: FeatureBlock
    test: FeatureBlock
    categorical: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        """Training rows."""
        return sum(block.n_rows for block in self.blocks.values())

    def tasks(self, calibration: Mapping[str, float] | None = None) -> list[Task]:
        """Return one task a fit, with its estimated cost."""
        return [
            Task(
                fit.key,
                "train_model",
                fit,
                (name := "train" if fit.shard is None else f"shard-{fit.shard}",),
                cost_s(fit, self.blocks[name].n_rows, len(self.valid.names), calibration, self.valid.n_classes),
            )
            for fit in self.fits
        ]


def process(
    dataset: Dataset, *, engine_name: str, n_workers: int, on_event: OnEvent | None = None
) -> tuple[list[FeatureBlock], FeatureBlock, FeatureBlock]:
    """Clean and encode all shards, one task a shard.

    Returns
    -------
    tuple
        The training blocks in the order of their shards, the validation block and the test block.
    """
    shards: list[Shard] = [*dataset.train, dataset.valid, dataset.test]
    contents = {
        f"shard-{number}": read_url(shard.url) for number, shard in enumerate(shards) if _stays(shard, engine_name)
    }
    tasks = [
        Task(key, "process_chunk", shard, (key,) if key in contents else (), cost_s=shard.n_rows / 1e6)
        for key, shard in ((f"shard-{number}", shard) for number, shard in enumerate(shards))
    ]
    with engine(engine_name)(DataProcessor, (dataset.encoder,), contents, n_workers) as crew:
        blocks = dispatch(tasks, crew, on_event=on_event)
    return blocks[:-2], blocks[-2], blocks[-1]


def plan(
    dataset: Dataset,
    *,
    recipes: Sequence[str] | None = None,
    by: str = "model",
    engine_name: str = "sequential",
    n_workers: int = 1,
    on_event: OnEvent | None = None,
) -> Job:
    """Process a dataset and plan what is fitted on it.

    Parameters
    ----------
    dataset : Dataset
    recipes : sequence of str, optional
        Names from the catalogue; all by default.
    by : {"model", "shard"}
        Each recipe on all rows, or each recipe on each shard.
    engine_name, n_workers
        What processes the shards.

    Raises
    ------
    InvalidArgument
        If `by` is neither.
    """
    if by not in WAYS:
        raise InvalidArgument(f"Training is parallel by {' or by '.join(WAYS)}, not by {by!r}.")
    fits = plan_fits(catalogue(recipes), SEED, len(dataset.train) if by == "shard" else None)
    train, valid, test = process(dataset, engine_name=engine_name, n_workers=n_workers, on_event=on_event)
    if by == "model":
        blocks = {"train": _joined(train)}
    else:
        blocks = {f"shard-{number}": block for number, block in enumerate(train)}
    return Job(fits, blocks, valid, test, dataset.encoder.categorical)


def train(
    job: Job,
    *,
    engine_name: str,
    n_workers: int,
    checkpoint: Any = None,
    on_event: OnEvent | None = None,
    calibration: Mapping[str, float] | None = None,
) -> tuple[Ensemble, str]:
    """Fit all models of a job on an engine and let them vote.

    Returns
    -------
    tuple of Ensemble and str
        The ensemble, and the digest of its members' probabilities on the validation rows: the same whatever the
        engine and the number of workers.
    """
    crew_class, arguments = engine(engine_name), (job.valid.X, job.categorical)
    with crew_class(ModelTrainer, arguments, job.blocks, n_workers) as crew:
        trained = dispatch(job.tasks(calibration), crew, checkpoint=checkpoint, on_event=on_event)
    return assemble(job.fits, trained, job.valid, job.categorical), votes_digest(trained)


def assemble(
    fits: Sequence[Fit], trained: Sequence[Trained], valid: FeatureBlock, categorical: tuple[int, ...]
) -> Ensemble:
    """Join the parts of each model and weigh the models by their scores on the validation rows."""
    models = merge_parts((fit, result.model) for fit, result in zip(fits, trained, strict=True))
    members = [
        dataclasses.replace(member, model=models[member.fit_name]) for member in _members(fits, trained, valid.y)
    ]
    return combine(members, categorical, valid.names)


def votes_digest(trained: Sequence[Trained]) -> str:
    """Return the digest of what all models say of the validation rows: it differs where one bit of one vote does."""
    return digest(np.concatenate([result.probability for result in trained]))


def training_work(job: Job, calibration: Mapping[str, float] | None = None, *, weak: bool = False) -> dict[str, Any]:
    """Return what `labkit.scaling.limit.Work` takes for this job; in weak scaling each shard is a worker's share."""
    shards = sorted({fit.shard for fit in job.fits if fit.shard is not None}) if weak else []
    return {
        "shares": [[fit.key for fit in job.fits if fit.shard == shard] for shard in shards],
        "tasks": job.tasks(calibration),
        "actor": ModelTrainer,
        "arguments": (job.valid.X, job.categorical),
        "shared": dict(job.blocks),
        "n_rows": job.n_rows,
        "outline": Trained.outline,
        "digest": votes_digest,
    }


def train_run(
    dataset: Dataset,
    runs: RunStore,
    models: ModelStore,
    *,
    recipes: Sequence[str] | None,
    engine_name: str,
    n_workers: int,
    fingerprints: list[dict[str, Any]],
    calibrated: Callable[[Job], Mapping[str, float]],
    by: str = "model",
    resume: str | None = None,
    run_id: str | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Train as a recorded run: checkpoints after each model, the ensemble kept, scores on days never seen.

    Parameters
    ----------
    resume : str, optional
        A run that was interrupted: what it finished is not fitted again.
    run_id : str, optional
        A run that was accepted for this; by default one is started here.

    Returns
    -------
    dict
        The run's record.

    Raises
    ------
    InvalidArgument
        If the run to resume was of other data, recipes or way.
    TaskFailed
        If a fit failed more often than it may.
    """
    check_workers(n_workers)
    names = [recipe.name for recipe in catalogue(recipes)]
    what = {"recipes": names, "by": by, "days": dataset.n_days, "scale": dataset.scale, "synthetic": dataset.synthetic}
    what |= dataset.origin
    tell = on_progress or (lambda *_: None)
    if resume:
        run = runs.get(resume)
        if {name: run.parameters.get(name) for name in what} != what or run.data_digest != dataset.digest:
            raise InvalidArgument(
                f"Run {run.id} was of other data or recipes; resume it with what it was started with."
            )
        runs.update(run.id, status="running")
    else:
        parameters = {**what, "engine": engine_name, "n_workers": n_workers}
        if run_id is None:
            run_id = runs.start("training", "ensemble", parameters, SEED, dataset.digest, fingerprints).id
        else:
            asked = {"parameters": parameters, "data_digest": dataset.digest, "fingerprints": fingerprints}
            runs.update(run_id, status="running", seed=SEED, **asked)
        run = runs.get(run_id)
    with runs.ended_by_errors(run.id):
        tell("process", 0.0)
        job = plan(dataset, recipes=recipes, by=by, engine_name=engine_name, n_workers=n_workers)
        events: list[TaskEvent] = []
        checkpoint = ModelCheckpoint(runs.checkpoint(run.id), job.fits)

        def seen(event: TaskEvent) -> None:
            events.append(event)
            runs.add_events(run.id, [dataclasses.asdict(event)])
            share = min(1.0, (checkpoint.n_kept + (event.error is None)) / len(job.fits))
            runs.update(run.id, progress=share)
            tell(event.task, share)

        ensemble, found = train(
            job,
            engine_name=engine_name,
            n_workers=n_workers,
            checkpoint=checkpoint,
            on_event=seen,
            calibration=calibrated(job),
        )
        probability = ensemble.predict_proba(job.test.X)
        scores = dataclasses.asdict(score(job.test.y, probability))
        curve = {"calibration": calibration_curve(job.test.y, probability)} if probability.ndim == 1 else {}
        model = models.save(ensemble, run_id=run.id, scores=scores | curve, encoder=dataset.encoder)
        weights = dict(zip(ensemble.names, map(float, ensemble.weights), strict=True))
        results = {"digest": found, "scores": scores, "model": model.id, "weights": weights, "fitted": len(events)}
        runs.update(run.id, status="finished", progress=1.0, results=results)
    return runs.export(run.id)


class ModelCheckpoint:
    """Keep each finished fit through a store of bytes: the model by skops, its probabilities by NumPy, no pickle."""

    def __init__(self, kept: Any, fits: Sequence[Fit]) -> None:
        self._kept, self.n_kept = kept, 0
        self._keys = {fit.key for fit in fits}

    def load(self, key: str) -> Trained | None:
        """Return a finished fit; what cannot be read is fitted again."""
        from labkit.store.models import model_from_bytes

        content = self._kept.load(key) if key in self._keys else None
        if content is None:
            return None
        try:
            found = model_from_bytes(content)
            trained = Trained(key, found["model"], np.asarray(found["probability"]))
        except LabError:
            return None
        self.n_kept += 1
        return trained

    def save(self, key: str, value: Trained) -> None:
        """Keep a finished fit."""
        from labkit.store.models import model_to_bytes

        self._kept.save(key, model_to_bytes({"model": value.model, "probability": value.probability}))
        self.n_kept += 1


def _stays(shard: Shard, engine_name: str) -> bool:
    """Tell whether a shard lies on this host's disk alone, and other hosts take part: they get what is in it."""
    if engine_name != "ray" or not is_local(shard.url):
        return False
    from labkit.parallel.cluster import n_nodes

    return n_nodes() > 1


def _members(fits: Sequence[Fit], trained: Sequence[Trained], y: np.ndarray) -> list[Member]:
    merged = merge_probabilities((fit, result.probability) for fit, result in zip(fits, trained, strict=True))
    return [Member(name, None, probability, score(y, probability)) for name, probability in merged.items()]


def _joined(blocks: Sequence[FeatureBlock]) -> FeatureBlock:
    X, y = (np.concatenate([getattr(block, part) for block in blocks]) for part in "Xy")
    return dataclasses.replace(blocks[0], X=X, y=y)
