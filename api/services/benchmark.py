"""Benchmarks: notebooks of the course as runs, their tables, laws and executed cells."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from api.deps import PROBLEMS, ContextDep, LastEvent, Limit, RunId, RunsDep
from api.problems import Problem
from api.services.runs import RunRecord, RunState, record_of, shown
from api.streams import last_event, run_events
from labkit.errors import UnknownName
from labkit.notebooks import SPEEDUPS, parameters_of, typed
from labkit.runner import notebook, notebooks
from labkit.scaling.fits import LawFit
from labkit.store.runs import Run

router = APIRouter(tags=["benchmark"], responses=PROBLEMS)
_KINDS = ("benchmark", "notebook")
# What the policy would refuse anyway, and a browser complain of: scripts and fonts of nbconvert's template.
_NEEDLESS = re.compile(r"<script\b.*?</script>|@font-face\s*\{.*?\}", re.DOTALL)
_HIDDEN = {"lang", "home", "run_id", "key", "data"}  # what the lab says itself, and what would open files and addresses


def _benchmark(run_id: RunId, runs: RunsDep) -> Run:
    run = runs.get(run_id)
    if run.kind not in _KINDS:
        raise UnknownName(f"Run {run.id} is no benchmark: see /runs/{run.id}.")
    return run


def _measured(run: Annotated[Run, Depends(_benchmark)]) -> Run:
    if "tables" not in run.results:
        raise UnknownName(f"Run {run.id} is {run.status} and holds no table.")
    return run


BenchmarkDep = Annotated[Run, Depends(_benchmark)]
MeasuredDep = Annotated[Run, Depends(_measured)]


class Benchmark(BaseModel):
    """Which notebook to run, and with what."""

    model_config = ConfigDict(extra="forbid")

    notebook: str = Field(SPEEDUPS, max_length=60, pattern=r"^\w+$", description="Of `GET /notebooks`.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, max_length=20, description="Checked against the notebook's own, and its types.",
        examples=[{"days": 12, "workers": [1, 2], "rounds": 1, "recipes": ["hgb-small", "logistic-numeric"]}],
    )  # fmt: skip
    timeout_s: float = Field(7200.0, gt=0, le=86_400, allow_inf_nan=False)


class Notebook(BaseModel):
    """A notebook of the course."""

    name: str = Field(examples=[SPEEDUPS])
    parameters: dict[str, Any] = Field(description="With their defaults.")


class Laws(BaseModel):
    """What was fitted to a table, by engine."""

    laws: dict[str, list[dict[str, Any]]]
    curves: dict[str, list[Curve]] = Field(description="What each fitted law predicts, to twice the workers measured.")


class Curve(BaseModel):
    """The speedups that a fitted law predicts, and where it says that more workers help no more."""

    law: str
    knee: int | None = Field(description="Workers with the highest speedup × efficiency; null if not below the CPUs.")
    saturation: int | None = Field(description="Workers with the highest speedup; null if not below the CPUs.")
    n_workers: list[int]
    speedup: list[float]


@router.get("/notebooks")
def list_notebooks(context: ContextDep) -> list[Notebook]:
    """List the notebooks of the course with their parameters."""
    return [Notebook(name=name, parameters=_own(name, context)) for name in notebooks(context.lab.settings.lang)]


@router.post(
    "/benchmark",
    status_code=202,
    responses={429: {"description": "Too many runs wait; Retry-After says for how long."}},
)
async def measure(asked: Benchmark, context: ContextDep, response: Response) -> RunState:
    """Accept the run of a notebook. One benchmark at a time measures on a machine; a further one waits."""
    try:
        source = notebook(asked.notebook, context.lab.settings.lang)
    except UnknownName as fault:
        raise Problem(422, "unknown-name", str(fault), "notebook") from fault
    if hidden := set(asked.parameters) & _HIDDEN:
        raise Problem(422, "invalid-argument", f"{', '.join(sorted(hidden))} is not for the API to say.", "parameters")
    if any(isinstance(value, str) and not value.isprintable() for value in asked.parameters.values()):
        raise Problem(422, "invalid-argument", "A parameter holds characters that cannot be printed.", "parameters")
    given = typed(source, asked.parameters)
    kind = "benchmark" if "run_id" in parameters_of(source) else "notebook"
    work = {"given": given, "timeout_s": asked.timeout_s}
    run = await asyncio.to_thread(context.jobs.submit, kind, source.stem, work)
    response.headers["Location"] = f"/benchmark/{run.id}"
    return RunState(**shown(run))


@router.get("/benchmark")
def list_benchmarks(runs: RunsDep, limit: Limit = 50) -> list[RunState]:
    """List benchmarks and other runs of notebooks, the newest first."""
    found = [run for kind in _KINDS for run in runs.list(kind, limit=limit)]
    return [RunState(**shown(run)) for run in sorted(found, key=lambda run: run.created, reverse=True)[:limit]]


@router.get("/benchmark/{run_id}")
def read_benchmark(run: BenchmarkDep, runs: RunsDep) -> RunRecord:
    """Show a benchmark and what it came to."""
    return record_of(runs, run.id)


@router.get("/benchmark/{run_id}/events", response_class=EventSourceResponse)
async def follow_benchmark(
    run: BenchmarkDep, context: ContextDep, last_event_id: LastEvent = None
) -> AsyncIterator[ServerSentEvent]:
    """Follow a benchmark: `state` when it changes, `task` for each pass of a task, `end`. `Last-Event-ID` resumes."""
    async for event in run_events(context, run.id, last_event(last_event_id)):
        yield event


@router.delete("/benchmark/{run_id}")
async def cancel_benchmark(run: BenchmarkDep, context: ContextDep) -> RunState:
    """Cancel a benchmark that waits or goes on."""
    return RunState(**shown(await asyncio.to_thread(context.jobs.cancel, run)))


@router.get("/benchmark/{run_id}/table")
def read_table(run: MeasuredDep) -> dict[str, list[dict[str, Any]]]:
    """Show the speedup table by engine, fewest workers first."""
    return dict(run.results["tables"])


@router.get("/benchmark/{run_id}/laws")
def read_laws(run: MeasuredDep) -> Laws:
    """Show the laws that were fitted, or how many cores they would need."""
    curves = {}
    cpus = run.fingerprints[0]["usable_cpus"]
    for engine, found in run.results["laws"].items():
        most = max(row["n_workers"] for row in run.results["tables"][engine])
        counts = list(range(1, min(2 * most, 128) + 1))
        fits = [LawFit(**law) for law in found if "parameters" in law]
        curves[engine] = [
            Curve(
                law=fit.law,
                knee=fit.knee(cpus),
                saturation=fit.saturation(cpus),
                n_workers=counts,
                speedup=[fit.predict(n) for n in counts],
            )
            for fit in fits
        ]
    return Laws(laws=run.results["laws"], curves=curves)


_REPORTS = {
    "pdf": "application/pdf",
    "html": "text/html",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


@router.post(
    "/benchmark/{run_id}/report",
    response_class=Response,
    responses={200: {"description": "The report.", "content": {media: {} for media in _REPORTS.values()}}},
)
def write_report(
    run: MeasuredDep,
    context: ContextDep,
    format: Annotated[Literal["pdf", "html", "docx"], Query(description="What kind of file.")] = "pdf",
    lang: Annotated[Literal["es", "en"], Query(description="Its language.")] = "es",
    author: Annotated[str, Query(max_length=500, description="Who signs it.")] = "",
    course: Annotated[str, Query(max_length=500, description="The course.")] = "",
    institution: Annotated[str, Query(max_length=500, description="The institution.")] = "",
) -> Response:
    """Write the technical report of a benchmark, with the newest training and what else was measured."""
    from report.build import compose, file_name, to_bytes
    from report.records import names_beside
    from report.words import read_words

    lab = context.lab
    folder = lab.settings.home / "report" / "sections"
    words = read_words(folder, lang) if folder.is_dir() else {}
    names = names_beside(lab.runs, run.id)
    made = compose(lab.runs, names=names, lang=lang, author=author, course=course, institution=institution, words=words)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(made, format)}"',
        "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox",
    }
    return Response(to_bytes(made, format), media_type=_REPORTS[format], headers=headers)


@router.get("/benchmark/{run_id}/notebook", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def read_notebook(run: BenchmarkDep, runs: RunsDep) -> Response:
    """Show the executed notebook as a page without scripts."""
    content = runs.read_artefact(run.id, f"{run.name}.ipynb")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
    return Response(page_of(content), media_type="text/html", headers={"Content-Security-Policy": policy})


def page_of(executed: bytes) -> str:
    """Return an executed notebook as HTML; what it may do in a browser is up to the policy that goes with it."""
    import nbformat
    from nbconvert import HTMLExporter

    book = nbformat.reads(executed.decode("utf-8"), 4)
    for cell in book.cells:
        for output in cell.get("outputs", []):
            for kind in ("application/vnd.jupyter.widget-view+json", "application/javascript"):
                output.get("data", {}).pop(kind, None)
    page, _ = HTMLExporter(
        template_name="classic", mathjax_url="", require_js_url="", embed_images=True
    ).from_notebook_node(book)
    return _NEEDLESS.sub("", str(page))


def _own(name: str, context: Any) -> dict[str, Any]:
    found = parameters_of(notebook(name, context.lab.settings.lang))
    return {key: value for key, value in found.items() if key not in _HIDDEN}
