"""The report as Markdown: a template of each language, filled from the ledger."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labkit.classroom.text import t
from labkit.scaling.benchmark import diagnoses_of, laws_of, rows_of
from labkit.scaling.fits import Unfitted
from report import charts, diagrams, findings
from report.ledger import INPUT, LABKIT, PROJECT, Ledger, escaped
from report.records import Evidence, Record
from report.tables import Tables
from report.text import texts, tr

SECTION_ORDER = (
    "introduction", "architecture", "parallelisation", "microservices", "deployment", "benchmarks", "monitoring",
    "conclusions", "references",
)  # fmt: skip
_REFERENCE = re.compile("\ue000(tab|fig)-([a-z0-9-]+)(!?)\ue001")


class Writer:
    """Writes one report's Markdown and the pictures that it shows.

    Parameters
    ----------
    evidence : Evidence
    facts : mapping
        Of `report.facts`.
    inputs : mapping
        What the author gave: author, course, institution, words.
    lang : {"es", "en"}
    """

    def __init__(self, evidence: Evidence, facts: Mapping[str, Any], inputs: Mapping[str, Any], lang: str) -> None:
        self.evidence, self.facts, self.inputs, self.lang = evidence, facts, inputs, lang
        sources = {record["id"]: record for record in evidence.all()}
        self.ledger = Ledger({**sources, PROJECT: facts, INPUT: inputs}, lang)
        self.images: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._counts = {"tab": 0, "fig": 0}
        self._cited: dict[str, int] = {}
        self._tables = Tables(self.ledger, evidence, facts, lang)

    def markdown(self) -> str:
        """Return the whole text."""
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=False, undefined=jinja2.StrictUndefined,  # Markdown, not HTML: `escaped` makes values safe
            lstrip_blocks=True, comment_start_string="<#", comment_end_string="#>",
        )  # fmt: skip
        text = environment.get_template(f"{self.lang}.md.jinja").render(self._context())
        return _REFERENCE.sub(self._resolved, text)

    def _context(self) -> dict[str, Any]:
        first = self.evidence.first
        bench = first("benchmark")
        several = next((each for each in self.evidence.all() if len(each["fingerprints"]) > 1), None)
        names: dict[str, Record | None] = {
            "bench": bench, "weak": first("weak"), "latency": first("latency"), "training": first("training"),
            "serving": first("serving"), "cluster": several, "versions": bench or first("training"),
        }  # fmt: skip
        found: dict[str, Any] = {name: record["id"] if record else None for name, record in names.items()}
        if found["training"] and not self._events(found["training"]):
            found["training"] = None
        found |= {
            "facts": self.facts, "n": self.number, "d": self.derived, "run": self.run, "fact": self.fact,
            "fact_count": self.fact_count, "facts_list": self.facts_list, "const": self.constant, "say": self.say,
            "missing": self.missing, "absent": self.absent, "ref": self.reference, "sec": self.section,
            "cite": self.cite, "table": self.table, "tables": self.tables, "figure": self.figure, "own": self.own,
            "own_or_ask": self.own_or_ask, "references": self.references,
            "broken_runs": [self._broken(record) for record in self.evidence.broken],
            "all_runs": [record["id"] for record in self.evidence.all()],
            "gain": None, "limit": None, "knee": None, "engine": None, "bench_events": False, "diagnosed": False,
            "conclusions": [], "latency_s": "",
        }  # fmt: skip
        if bench:
            found |= self._benchmark(bench)
        if names["latency"]:
            found["latency_s"] = self._latency(names["latency"])
        found["conclusions"] = self._lazy(lambda: self._conclusions(bench, names["training"]))
        found["limits"] = self._lazy(lambda: self._limits(bench, names["serving"]))
        found["future"] = self._lazy(lambda: self._future(bench, names))
        return found

    # What follows from the main run, computed where the template first asks for it.

    def _benchmark(self, bench: Record) -> dict[str, Any]:
        run, results = bench["id"], bench["results"]
        engine = next(iter(results["tables"]))
        rows, laws, found = rows_of(results, engine), laws_of(results, engine), diagnoses_of(results, engine)
        cpus = bench["fingerprints"][0]["usable_cpus"]
        within = [place for place, row in enumerate(rows) if row.n_workers <= cpus]
        at = within[-1] if within else 0
        self._limit_at = at
        fractions = [self._karp(bench, engine, place) for place, row in enumerate(rows) if row.n_workers > 1]
        share = findings.overhead_share(found[-1].shares) if found else None
        show = self.ledger.show
        hosts = [tuple(sorted(n["digest"] for n in each["fingerprints"])) for each in self.evidence.runs["benchmark"]]
        return {
            "engine": engine,
            "gain": findings.gain(rows),
            "limit": findings.against_limit(rows[at].limit_fraction),
            "knee": findings.knee(laws, cpus),
            "linearity": findings.linearity(rows),
            "trust": findings.trust(rows, cpus),
            "beyond": findings.beyond_cores(rows),
            "overhead": findings.overhead(share),
            "karp_flatt": findings.serial_trend(fractions) if fractions else None,
            "hosts": findings.hosts(hosts),
            "bench_events": bool(self._events(run)),
            "diagnosed": bool(found),
            "limit_fraction": Late(
                lambda: show(run, "results", "tables", engine, at, "limit_fraction", kind="percent", digits=0)
            ),
            "linear_to": Late(lambda: show(run, engine, how="linear_to", digits=0)),
            "overhead_share": Late(
                lambda: show(run, engine, len(found) - 1, how="overhead_share", kind="percent", digits=0)
            ),
            "bottlenecks": Late(lambda: self._tables.explanations(run, engine)),
        }

    def _karp(self, record: Record, engine: str, place: int) -> float:
        from report.ledger import computed

        return float(computed(self.ledger.sources, record["id"], "karp_flatt", [engine, place]))

    def _events(self, run: str) -> list[Any]:
        return [event for event in self.ledger.sources[run].get("events", []) if event["error"] is None]

    def _latency(self, record: Record) -> Any:
        asked = record["results"].get("parameters", {})
        path: tuple[str, ...] = ("results", "parameters", "injected_latency_s")
        if "injected_latency_s" not in asked:
            path = ("parameters", "latency_s" if "latency_s" in record["parameters"] else "injected_latency_s")
        return Late(lambda: self.ledger.show(record["id"], *path, digits=1))

    # The words of the template.

    def number(self, source: str, path: str, digits: int = 2, kind: str = "number") -> str:
        """Write what stands at a path of a source."""
        return self.ledger.show(source, *steps(path), kind=kind, digits=digits)

    def derived(self, source: str, how: str, *of: str | int, kind: str = "number", digits: int = 2) -> str:
        """Write what is computed from a source."""
        return self.ledger.show(source, *of, how=how, kind=kind, digits=digits)

    def run(self, run: str) -> str:
        """Name a run."""
        return self.ledger.show(run, "id", kind="text", code=True)

    def fact(self, path: str) -> str:
        """Write a fact of the project, or that it is not there."""
        try:
            return self.ledger.show(PROJECT, *steps(path), kind="text", code=True)
        except ValueError:
            return "–"

    def fact_count(self, path: str) -> str:
        """Write how many there are of something in the project."""
        return self.ledger.show(PROJECT, *steps(path), how="count", digits=0)

    def facts_list(self, path: str) -> str:
        """Write the names of something in the project."""
        found: Any = self.facts
        for step in steps(path):
            found = found[step]
        return ", ".join(
            self.ledger.show(PROJECT, *steps(path), place, kind="text", code=True) for place in range(len(found))
        )

    def constant(self, name: str) -> str:
        """Write a threshold of the rules as a percentage."""
        return self.ledger.show(LABKIT, name, kind="percent", digits=0)

    def say(self, key: str, **values: object) -> str:
        """Return a sentence that a rule chose; only the values that it names are written."""
        text = _text_of(key, self.lang)
        named = set(re.findall(r"\{(\w+)\}", text))
        return text.format(**{name: values[name] for name in named})

    def missing(self, command: str) -> str:
        """Say that something was not measured, and what measures it."""
        return f"[{tr('missing', self.lang)}.]{{.missing}} {tr('missing_do', self.lang)} `{command}`."

    def absent(self, what: str, command: str | None) -> str:
        """Say that the project does not have something."""
        told = tr("absent_what", self.lang, what=f"`{what}`")
        do = f" {tr('absent_do', self.lang)} `{command}`." if command else ""
        return f"[{tr('absent', self.lang)}:]{{.missing}} {told}{do}"

    def own(self, section: str) -> str:
        """Keep a place for the author's words."""
        return f'::: {{.own section="{section}"}}\n:::\n'

    def own_or_ask(self, section: str) -> str:
        """Keep a place for what only the author can say, and ask for it where it is not there."""
        if section in self.inputs["words"]:
            return self.own(section)
        return f"[{tr('unwritten', self.lang)}:]{{.missing}} {tr('unwritten_do', self.lang)} `{section}.md`."

    def reference(self, target: str, begins: bool = False) -> str:
        """Refer to a table or figure, wherever it stands."""
        return f"\ue000{target}{'!' if begins else ''}\ue001"

    def _resolved(self, match: re.Match[str]) -> str:
        kind, name, begins = match.groups()
        word = tr({"tab": "table", "fig": "figure"}[kind], self.lang)
        word = word if begins or self.lang == "en" else word.lower()
        place = self._numbers.get(f"{kind}-{name}")
        if place is None:
            return tr("missing", self.lang).lower()
        return f"[[{word}\u00a0{place}]{{.k}}](#{kind}-{name})"

    def section(self, name: str) -> str:
        """Refer to a section."""
        place = SECTION_ORDER.index(name) + 1
        return f"[[{tr('section', self.lang)}\u00a0{place}]{{.k}}](#sec-{name})"

    def cite(self, key: str) -> str:
        """Cite a reference."""
        place = self._cited.setdefault(key, len(self._cited) + 1)
        return f"[[\\[{place}\\]]{{.k}}](#ref-{key})"

    def references(self) -> str:
        """List what was cited, in the order of the first mention."""
        lines = []
        for key, place in self._cited.items():
            found = _references()[key]
            address = f"https://doi.org/{found['doi']}" if "doi" in found else found["url"]
            shown = f"doi:{found['doi']}" if "doi" in found else found["url"].split("/")[2]
            lines.append(
                f"::: {{#ref-{key} .reference}}\n[\\[{place}\\]]{{.k}} {found['text']} [{shown}]({address})\n:::\n"
            )
        return "\n".join(lines)

    # Tables and figures.

    def table(self, name: str) -> str:
        """Write a table with its number, caption and anchor."""
        return self._captioned(name, *getattr(self._tables, name)())

    def tables(self, role: str) -> str:
        """Write the speedup tables of all runs of a role, one a run and engine: they are never merged."""
        written: list[str] = []
        for record in self.evidence.runs.get(role, []):
            for engine in record["results"]["tables"]:
                name = role if not written else f"{role}-{len(written) + 1}"
                written.append(self._captioned(name, *self._tables.speedup(record, engine, role)))
        return "\n".join(written)

    def _captioned(self, name: str, body: str, caption: str) -> str:
        place = self._number("tab", name)
        return (
            f"::: {{#tab-{name} .tabular}}\n{body}\n\n: [{tr('table', self.lang)}\u00a0{place}.]{{.k}} {caption}\n:::\n"
        )

    def _number(self, kind: str, name: str) -> int:
        self._counts[kind] += 1
        self._numbers[f"{kind}-{name}"] = self._counts[kind]
        return self._counts[kind]

    def figure(self, name: str) -> str:
        """Draw a figure, and write it with its number, caption, description and anchor."""
        place = self._number("fig", name)
        drawn, caption, alt = getattr(self, f"_figure_{name.replace('-', '_')}")()
        self.images[name] = drawn
        told = alt.replace("\\", "").replace('"', "'")
        label = f"[{tr('figure', self.lang)}\u00a0{place}.]{{.k}}"
        return f'![{label} {caption}]({name}.svg){{#fig-{name} alt="{told}" width=100%}}\n'

    def _figure_architecture(self) -> tuple[str, str, str]:
        bench = self.evidence.first("benchmark")
        n_workers = max(row["n_workers"] for row in next(iter(bench["results"]["tables"].values()))) if bench else None
        drawn = diagrams.architecture(self.facts, _boxes(self.lang), n_workers)
        return drawn, tr("caption.architecture", self.lang), tr("alt.architecture", self.lang)

    def _figure_flow(self) -> tuple[str, str, str]:
        return diagrams.flow(_boxes(self.lang)), tr("caption.flow", self.lang), tr("alt.flow", self.lang)

    def _figure_containers(self) -> tuple[str, str, str]:
        names = ", ".join(
            self.ledger.plain(PROJECT, "compose", "services", place, "name", kind="text")
            for place in range(len(self.facts["compose"]["services"]))
        )
        drawn = diagrams.containers(self.facts["compose"], _boxes(self.lang))
        return drawn, tr("caption.containers_figure", self.lang), tr("alt.containers", self.lang, names=names)

    def _figure_gantt(self) -> tuple[str, str, str]:
        record = self._main()
        told = {
            "n": self.ledger.plain(record["id"], how="n_done", digits=0),
            "seconds": self.ledger.plain(record["id"], how="makespan_s", digits=1),
        }
        drawn = charts.gantt(record, self.lang, tr("axis.seconds", self.lang))
        return drawn, self.say("caption.gantt", run=self.run(record["id"])), tr("alt.gantt", self.lang, **told)

    def _figure_speedup(self) -> tuple[str, str, str]:
        record = self._main()
        engine = next(iter(record["results"]["tables"]))
        at = (record["id"], "results", "tables", engine)
        values = "; ".join(
            tr(
                "alt.speedup_value", self.lang, speedup=self.ledger.plain(*at, place, "speedup"),
                workers=self.ledger.plain(*at, place, "n_workers", digits=0),
            )
            for place in range(len(record["results"]["tables"][engine]))
        )  # fmt: skip
        caption = self.say("caption.speedup_figure", run=self.run(record["id"]))
        return charts.speedup(record, engine, self.lang), caption, tr("alt.speedup", self.lang, values=values)

    def _figure_worker_time(self) -> tuple[str, str, str]:
        record = self._main()
        drawn = charts.worker_time(record, next(iter(record["results"]["tables"])), self.lang)
        return drawn, self.say("caption.worker_time", run=self.run(record["id"])), tr("alt.worker_time", self.lang)

    def _figure_training(self) -> tuple[str, str, str]:
        record = self.evidence.first("training")
        assert record is not None
        told = {
            "n": self.ledger.plain(record["id"], how="n_done", digits=0),
            "seconds": self.ledger.plain(record["id"], how="makespan_s", digits=1),
        }
        drawn = charts.training(record, self.lang, (tr("axis.seconds", self.lang), tr("axis.fits", self.lang)))
        return drawn, self.say("caption.training", run=self.run(record["id"])), tr("alt.training", self.lang, **told)

    def _main(self) -> Record:
        record = self.evidence.first("benchmark")
        assert record is not None
        return record

    # Sentences of the last section.

    def _lazy(self, make: Callable[[], list[str]]) -> Sentences:
        return Sentences(make)

    def _broken(self, record: Record) -> Late:
        def told() -> str:
            error = (
                self.ledger.show(record["id"], "error", kind="text") if record["error"] else tr("no_reason", self.lang)
            )
            known = texts()["kind"]
            kind = known[record["kind"]][self.lang] if record["kind"] in known else escaped(record["kind"])
            status = tr(f"status.{record['status']}", self.lang)
            text = tr("broken", self.lang, run=self.run(record["id"]), kind=kind, status=status, error=error)
            return f"[{tr('missing', self.lang)}.]{{.missing}} {text}"

        return Late(told)

    def _conclusions(self, bench: Record | None, training: Record | None) -> list[str]:
        found, show = [], self.ledger.show
        if bench:
            run, engine = bench["id"], next(iter(bench["results"]["tables"]))
            rows, diagnosed = rows_of(bench["results"], engine), diagnoses_of(bench["results"], engine)
            values = {
                "speedup": Late(lambda: show(run, engine, how="best_speedup")),
                "workers": Late(lambda: show(run, engine, how="best_workers", digits=0)),
                "run": Late(lambda: self.run(run)),
            }
            found.append(self.say(f"conclusion.gain_{findings.gain(rows)}", **values))
            if findings.trust(rows, bench["fingerprints"][0]["usable_cpus"]) == "provisional":
                found.append(tr("trust.provisional", self.lang))
            limit = findings.against_limit(rows[self._limit_at].limit_fraction)
            at = (run, "results", "tables", engine, self._limit_at, "limit_fraction")
            found.append(self.say(f"limit.{limit}", fraction=Late(lambda: show(*at, kind="percent", digits=0))))
            if findings.beyond_cores(rows) != "unmeasured":
                found.append(self.say(f"beyond.{findings.beyond_cores(rows)}"))
            if diagnosed:
                last = len(diagnosed) - 1
                kind = findings.bottleneck(diagnosed[-1].bottleneck)
                path = (run, "results", "diagnoses", engine, last)
                values = {
                    "workers": Late(lambda: show(*path, "figures", "n_workers", digits=0)),
                    "share": Late(lambda: show(*path, "shares", kind, kind="percent", digits=0)),
                }
                found.append(self.say(f"conclusion.bottleneck_{kind}", **values))
            digest = Late(lambda: show(run, "results", "digest", kind="text", code=True))
            found.append(self.say("conclusion.digest", run=Late(lambda: self.run(run)), digest=digest))
        if training:
            auc = Late(lambda: show(training["id"], "results", "scores", "roc_auc", digits=3))
            found.append(self.say("conclusion.model", run=Late(lambda: self.run(training["id"])), auc=auc))
        return found

    def _limits(self, bench: Record | None, serving: Record | None) -> list[str]:
        show = self.ledger.show
        if bench is None:
            return [tr("limits.nothing", self.lang)]
        run, engine = bench["id"], next(iter(bench["results"]["tables"]))
        rows, found = rows_of(bench["results"], engine), []
        if len(bench["fingerprints"]) == 1:
            found.append(
                self.say("limits.one_host", cpus=Late(lambda: show(run, "fingerprints", 0, "usable_cpus", digits=0)))
            )
        if rows[0].spread.kind == "range":
            found.append(self.say("limits.range", rounds=Late(lambda: show(run, "parameters", "rounds", digits=0))))
        marked = [place for place, row in enumerate(rows) if row.marks]
        if marked:
            at = (run, "results", "tables", engine)
            names = ", ".join(
                f"{show(*at, place, 'n_workers', digits=0)} ({told})"
                for place in marked
                for told in [", ".join(t(f"mark.{mark}", self.lang) for mark in rows[place].marks)]
            )
            found.append(self.say("limits.marked", run=Late(lambda: self.run(run)), marked=names))
        if bench["parameters"].get("days"):
            days = Late(lambda: show(run, "parameters", "days", digits=0))
            found.append(self.say("limits.days", run=Late(lambda: self.run(run)), days=days))
        elif not bench["parameters"].get("data"):
            found.append(tr("limits.year", self.lang))
        if serving is None:
            found.append(tr("limits.serving", self.lang))
        return found

    def _future(self, bench: Record | None, names: Mapping[str, Record | None]) -> list[str]:
        found = []
        if bench:
            run, engine = bench["id"], next(iter(bench["results"]["tables"]))
            for place, law in enumerate(laws_of(bench["results"], engine)):
                if isinstance(law, Unfitted) and law.law == "amdahl":
                    path = (run, "results", "laws", engine, place, "n_cores_needed")
                    found.append(self.say("future.cores", needed=self.ledger.show(*path, digits=0)))
            if rows_of(bench["results"], engine)[0].spread.kind == "range":
                found.append(tr("future.rounds", self.lang))
        found += [tr(f"future.{name}", self.lang) for name in ("weak", "serving") if names[name] is None]
        if names["cluster"] is None:
            found.append(tr("future.cluster", self.lang))
        return [*found, *([] if self.facts["ec2"] else [tr("future.ec2", self.lang)])]


class Late:
    """A text that is made when it is written, so that the ledger's order is the text's."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def __str__(self) -> str:
        return self._make()

    def __format__(self, _: str) -> str:
        return self._make()


class Sentences:
    """Sentences that are made when they are asked for."""

    def __init__(self, make: Callable[[], list[str]]) -> None:
        self._make = make

    def __iter__(self) -> Any:
        return iter(self._make())


def steps(path: str) -> list[str | int]:
    """Return a path's steps: places in lists as numbers."""
    return [int(step) if step.isdigit() else step for step in path.split("/")]


@functools.cache
def _references() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("references.toml").read_text("utf-8"))


def _text_of(key: str, lang: str) -> str:
    found: Any = texts()
    for part in key.split("."):
        found = found[part]
    return str(found[lang])


def _boxes(lang: str) -> dict[str, str]:
    """Return the labels of diagrams, by their dotted places below "box"."""
    found: dict[str, str] = {}

    def walk(place: str, value: Mapping[str, Any]) -> None:
        for name, inner in value.items():
            if lang in inner:
                found[f"{place}{name}"] = inner[lang]
            else:
                walk(f"{place}{name}.", inner)

    walk("", texts()["box"])
    return found
