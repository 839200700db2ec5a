"""The report's tables: each returns its Markdown and its caption, every cell from the ledger."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.classroom.plots import markdown
from labkit.classroom.text import t
from labkit.scaling.benchmark import diagnoses_of, laws_of, rows_of
from labkit.scaling.fits import LawFit
from report.ledger import PROJECT, Ledger, escaped
from report.records import Evidence, Record, role_of
from report.text import texts, tr

_PARTS = ("cpu", "memory", "io", "transfer", "waiting")
_SHORT = 12  # digits of a digest: more than enough to tell two apart


class Tables:
    """Writes tables of the evidence and of the project's facts."""

    def __init__(self, ledger: Ledger, evidence: Evidence, facts: Mapping[str, Any], lang: str) -> None:
        self._ledger, self._evidence, self._facts, self._lang = ledger, evidence, facts, lang

    def technologies(self) -> tuple[str, str]:
        """Return the versions of the main run's host."""
        record = self._first("benchmark") or self._first("training")
        assert record is not None
        run, host = record["id"], record["fingerprints"][0]
        rows = [["Python", self._show(run, "fingerprints", 0, "python", kind="text")]]
        rows += [
            [f"`{escaped_code(name)}`", self._show(run, "fingerprints", 0, "packages", name, kind="text")]
            for name, version in host["packages"].items()
            if version
        ]
        return self._table(("part", "version"), "ll", rows), self._caption("technologies", run)

    def ports(self) -> tuple[str, str]:
        """Return the default ports of the parts."""
        rows = [
            [
                tr(f"part.{name}", self._lang),
                self._show(PROJECT, "ports", name, kind="text"),
                tr(f"port.{name}", self._lang),
            ]
            for name in self._facts["ports"]
        ]
        return self._table(("part", "port", "what"), "lrl", rows), tr("caption.ports", self._lang)

    def routes(self) -> tuple[str, str]:
        """Return the routes of the OpenAPI file."""
        rows = []
        for place, route in enumerate(self._facts["routes"]):
            at = (PROJECT, "routes", place)
            statuses = ", ".join(
                self._show(*at, "statuses", number, kind="text") for number in range(len(route["statuses"]))
            )
            rows.append([
                self._show(*at, "service", kind="text"), self._show(*at, "method", kind="text"),
                self._show(*at, "path", kind="text", code=True), statuses,
            ])  # fmt: skip
        return self._table(("service", "method", "path", "answers"), "llll", rows), tr("caption.routes", self._lang)

    def containers(self) -> tuple[str, str]:
        """Return the containers of the Compose file."""
        rows = []
        for place, service in enumerate(self._facts["compose"]["services"]):
            at = (PROJECT, "compose", "services", place)
            rows.append([
                self._show(*at, "name", kind="text"), self._show(*at, "image", kind="text"),
                self._show(*at, "ports", kind="list") or "–", self._show(*at, "copies", kind="text"),
                self._show(*at, "waits_for", kind="list") if service["waits_for"] else "–",
            ])  # fmt: skip
        head = ("name", "image", "port", "copies", "waits")
        return self._table(head, "lllrl", rows), tr("caption.containers", self._lang)

    def resources(self) -> tuple[str, str]:
        """Return the resources of the EC2 template."""
        rows = [
            [self._show(PROJECT, "ec2", "resources", place, part, kind="text") for part in ("name", "type")]
            for place in range(len(self._facts["ec2"]["resources"]))
        ]
        return self._table(("name", "type"), "ll", rows), tr("caption.resources", self._lang)

    def speedup(self, record: Record, engine: str, role: str) -> tuple[str, str]:
        """Return the speedup table of one engine of one run."""
        run, rows = record["id"], []
        for place, row in enumerate(rows_of(record["results"], engine)):
            at = (run, "results", "tables", engine, place)
            ends = [self._show(*at, "spread", end) for end in ("low", "high")]
            told = t(f"spread.{row.spread.kind}", self._lang, low="{0}", high="{1}", coverage="{2}")
            covered = self._show(*at, "spread", "coverage", kind="percent", digits=1) if row.spread.coverage else ""
            rows.append([
                self._show(*at, "n_workers", digits=0), self._show(*at, "sequential_s"), self._show(*at, "parallel_s"),
                self._show(*at, "speedup"), self._show(*at, "efficiency", kind="percent", digits=0),
                self._show(*at, "throughput_rows_s", digits=0), told.format(*ends, covered),
                self._show(*at, "limit_fraction", kind="percent", digits=0) if row.limit_fraction is not None else "–",
                ", ".join(t(f"mark.{mark}", self._lang) for mark in row.marks),
            ])  # fmt: skip
        head = ("workers", "sequential", "parallel", "speedup", "efficiency", "throughput", "spread", "limit", "marks")
        caption = tr(f"caption.{'speedup' if role == 'benchmark' else role}", self._lang).format(
            engine=escaped(engine), run=self._run(run),
            host=", ".join(
                self._show(run, "fingerprints", n, "digest", kind="text", code=True)
                for n in range(len(record["fingerprints"]))
            ),
            rows=self._show(run, "results", "n_rows", digits=0),
            rounds=self._show(run, "parameters", "rounds", digits=0),
        )  # fmt: skip
        return self._table(head, "rrrrrrlll", rows), caption

    def laws(self) -> tuple[str, str]:
        """Return the fitted laws of the main run, or what each would need."""
        record, engine = self._main()
        run, rows = record["id"], []
        for place, law in enumerate(laws_of(record["results"], engine)):
            at = (run, "results", "laws", engine, place)
            name = t(f"law.{law.law}", self._lang)
            if isinstance(law, LawFit):
                parameters = "; ".join(
                    f"{_SYMBOLS.get(key, key)} = "
                    + " ± ".join(self._show(*at, of, key, digits=4) for of in ("parameters", "std_errors"))
                    for key in law.parameters
                )
                ends = [
                    self._show(run, engine, law.law, how=what, digits=0)
                    if getattr(law, what)(record["fingerprints"][0]["usable_cpus"]) is not None
                    else tr("law.unseen", self._lang).format(
                        cpus=self._show(run, "fingerprints", 0, "usable_cpus", digits=0)
                    )
                    for what in ("knee", "saturation")
                ]
                rows.append([name, parameters, self._show(*at, "residual", digits=3), *ends])
            else:
                needed, found = self._show(*at, "n_cores_needed", digits=0), self._show(*at, "n_eligible", digits=0)
                rows.append([name, tr("law.needs", self._lang).format(needed=needed, found=found), "–", "–", "–"])
        head = ("law", "parameters", "residual", "knee", "saturation")
        return self._table(head, "llrll", rows), self._caption("laws", run)

    def karp(self) -> tuple[str, str]:
        """Return the serial fraction of each row from two workers on."""
        record, engine = self._main()
        rows = [
            [
                self._show(record["id"], "results", "tables", engine, place, "n_workers", digits=0),
                self._show(record["id"], engine, place, how="karp_flatt", digits=3),
            ]
            for place, row in enumerate(rows_of(record["results"], engine))
            if row.n_workers > 1
        ]
        return self._table(("workers", "fraction"), "rr", rows), self._caption("karp", record["id"])

    def bottlenecks(self) -> tuple[str, str]:
        """Return how the workers' time of the main run is split."""
        record, engine = self._main()
        rows = []
        for place, found in enumerate(diagnoses_of(record["results"], engine)):
            at = (record["id"], "results", "diagnoses", engine, place)
            shares = [self._show(*at, "shares", part, kind="percent", digits=0) for part in _PARTS]
            named = t(f"bottleneck.{found.bottleneck or 'untold'}", self._lang)
            rows.append([self._show(*at, "figures", "n_workers", digits=0), *shares, named])
        head = ("workers", *_PARTS, "bottleneck")
        return self._table(head, "rrrrrrl", rows), self._caption("bottlenecks", record["id"])

    def explanations(self, run: str, engine: str) -> str:
        """Say for each number of workers by which evidence the diagnosis was made, and what may help."""
        record = self._ledger.sources[run]
        lines = []
        for place, found in enumerate(diagnoses_of(record["results"], engine)):
            at = (run, "results", "diagnoses", engine, place, "figures")
            values = _Figures(self, at)
            evidence = _template(f"evidence.{found.reason}", self._lang).format_map(values)
            lines.append(
                f"- **{tr('head.workers', self._lang)}: {self._show(*at, 'n_workers', digits=0)}.** {evidence}"
                f" {t(f'advice.{found.reason}', self._lang)}"
            )
        return "\n".join(lines)

    def system(self) -> tuple[str, str]:
        """Return what the host did during the passes of the main run."""
        record, engine = self._main()
        rows = []
        for place in range(len(diagnoses_of(record["results"], engine))):
            at = (record["id"], "results", "diagnoses", engine, place, "figures")
            rows.append([
                self._show(*at, "n_workers", digits=0), self._show(*at, "makespan_s"),
                *(self._show(*at, f"{of}_fraction", kind="percent", digits=1) for of in ("load", "steal", "iowait")),
                *(self._show(*at, f"{name}_bytes", kind="bytes", digits=1) for name in ("network", "file")),
                self._show(*at, "n_preempted", digits=0),
            ])  # fmt: skip
        head = ("workers", "makespan", "load", "steal", "iowait", "network", "files", "preempted")
        return self._table(head, "rrrrrrrr", rows), self._caption("system", record["id"])

    def serving(self) -> tuple[str, str]:
        """Return requests a second and latency of the services and of what they are compared with."""
        record = self._first("serving")
        assert record is not None
        rows = []
        for name in record["results"]["served"]:
            at = (record["id"], "results", "served", name)
            rows.append([
                escaped(name), self._show(*at, "requests_per_s", digits=0), self._show(*at, "p99_ms", digits=1),
                self._show(*at, "of_echo", kind="percent", digits=0),
            ])  # fmt: skip
        return self._table(("subject", "per_s", "p99", "echo"), "lrrr", rows), self._caption("serving", record["id"])

    def scores(self) -> tuple[str, str]:
        """Return the ensemble's scores."""
        record = self._first("training")
        assert record is not None
        rows = [
            [tr(f"score.{name}", self._lang), self._show(record["id"], "results", "scores", name, digits=4)]
            for name in texts()["score"]
            if record["results"]["scores"].get(name) is not None
        ]
        return self._table(("score", "value"), "lr", rows), self._caption("scores", record["id"])

    def recipes(self) -> tuple[str, str]:
        """Return the fits of the training, the first one done first."""
        record = self._first("training")
        assert record is not None
        run, weights = record["id"], record["results"]["weights"]
        done = sorted(
            {e["task"]: e["received_s"] for e in record["events"] if e["error"] is None}.items(),
            key=lambda each: each[1],
        )
        rows = []
        for task, _ in done:
            weight = self._show(run, "results", "weights", task, digits=3) if task in weights else "–"
            rows.append([
                self._show(run, task, how="task_name", kind="text"),
                *(self._show(run, task, what, how="fit", digits=2) for what in ("seconds", "done")), weight,
            ])  # fmt: skip
        return self._table(("fit", "seconds", "done", "weight"), "lrrr", rows), self._caption("recipes", run)

    def runs(self) -> tuple[str, str]:
        """Return all runs of the report."""
        rows = []
        for record in self._evidence.all():
            run = record["id"]
            role = role_of(record["kind"], record["results"] or {}, record["parameters"])
            known = texts()["role"].get(role) or texts()["kind"].get(record["kind"])
            rows.append([
                self._run(run), known[self._lang] if known else escaped(record["kind"]),
                self._show(run, "created", kind="time"), tr(f"status.{record['status']}", self._lang),
                self._digests(record),
            ])  # fmt: skip
        return self._table(("run", "kind", "date", "status", "host"), "lllll", rows), tr("caption.runs", self._lang)

    def hosts(self) -> tuple[str, str]:
        """Return every host that a run was measured on, once."""
        rows, seen = [], set()
        for record in self._evidence.all():
            for place, host in enumerate(record["fingerprints"]):
                if host.get("digest") in seen or "cpu_model" not in host:
                    continue
                seen.add(host.get("digest"))
                at = (record["id"], "fingerprints", place)
                rows.append([
                    self._show(*at, "digest", kind="text", code=True), self._show(*at, "cpu_model", kind="text"),
                    f"{self._show(*at, 'usable_cpus', digits=0)} ({self._show(*at, 'physical_cores', digits=0)})",
                    self._show(*at, "memory_bytes", kind="bytes", digits=1), self._show(*at, "os", kind="text"),
                    self._show(*at, "commit", kind="text") if host.get("commit") else "–",
                ])  # fmt: skip
        head = ("host", "processor", "cpus", "memory", "system", "commit")
        return self._table(head, "llrrll", rows), tr("caption.hosts", self._lang)

    def parameters(self) -> tuple[str, str]:
        """Return parameters, seed and digests of each run."""
        rows = []
        for record in self._evidence.all():
            run = record["id"]
            told = "; ".join(
                f"{escaped(name)} = "
                + self._show(run, "parameters", name, kind="list" if isinstance(value, list) else "text")
                for name, value in record["parameters"].items()
                if value is not None
            )
            digest = self._show(run, _SHORT, "data_digest", how="head", kind="text") if record["data_digest"] else "–"
            rows.append([self._run(run), told or "–", self._show(run, "seed", kind="text"), digest])
        head = ("run", "parameters", "seed", "data")
        return self._table(head, "llrl", rows), tr("caption.parameters", self._lang)

    def commands(self) -> tuple[str, str]:
        """Return the command that repeats each run."""
        rows = [
            [self._run(record["id"]), self._show(record["id"], how="command", kind="text", code=True)]
            for record in self._evidence.all()
        ]
        return self._table(("run", "command"), "ll", rows), tr("caption.commands", self._lang)

    def _show(self, source: str, *of: str | int, **how: Any) -> str:
        return self._ledger.show(source, *of, **how)

    def _run(self, run: str) -> str:
        return self._show(run, "id", kind="text", code=True)

    def _caption(self, name: str, run: str) -> str:
        return tr(f"caption.{name}", self._lang).format(run=self._run(run))

    def _digests(self, record: Record) -> str:
        return ", ".join(
            self._show(record["id"], "fingerprints", place, "digest", kind="text", code=True)
            for place, host in enumerate(record["fingerprints"])
            if "digest" in host
        )

    def _first(self, role: str) -> Record | None:
        return self._evidence.first(role)

    def _main(self) -> tuple[Record, str]:
        record = self._first("benchmark")
        assert record is not None
        return record, next(iter(record["results"]["tables"]))

    def _table(self, head: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> str:
        return markdown([[tr(f"head.{name}", self._lang) for name in head], *rows], align)


_SYMBOLS = {"serial_fraction": "s", "sigma": "σ", "kappa": "κ"}


class _Figures(dict[str, str]):
    """Figures of a diagnosis, written when a sentence names them."""

    def __init__(self, tables: Tables, at: tuple[Any, ...]) -> None:
        super().__init__()
        self._tables, self._at = tables, at

    def __missing__(self, name: str) -> str:
        if name.endswith(("_share", "_fraction")):
            kind, digits = "percent", 0
        elif name.endswith("_bytes"):
            kind, digits = "bytes", 1
        else:
            kind = "number"
            digits = 0 if name.startswith("n_") or name == "usable_cpus" else 3 if name == "task_s" else 2
        return self._tables._show(*self._at, name, kind=kind, digits=digits)


def _template(key: str, lang: str) -> str:
    from labkit.classroom.text import _texts

    found: Any = _texts()
    for part in key.split("."):
        found = found[part]
    return str(found[lang])


def escaped_code(text: str) -> str:
    """Return a name for code in Markdown: without what would end it."""
    return text.replace("`", "'")


def command_of(record: Record) -> str:
    """Return the command that repeats a run, from its parameters.

    Examples
    --------
    >>> command_of({"kind": "training", "parameters": {"days": 12, "by": "model", "engine": "ray", "n_workers": 2}})
    'labkit train --days 12 --engine ray --workers 2 --by model'
    """
    asked = {**record["parameters"], **(record.get("results") or {}).get("parameters", {})}
    words = {"training": ["labkit", "train"], "serving": ["make", "bench-serving"]}.get(
        record["kind"], ["labkit", "bench"]
    )
    if record["kind"] == "serving":
        return " ".join(words)
    if record["kind"] == "notebook":
        return " ".join([*words, shlex.quote(str(record.get("name", "")))])
    engines = asked.get("engines") or [asked.get("engine")]
    latency = asked.get("injected_latency_s", asked.get("latency_s"))
    given: dict[str, Any] = {
        "--data": asked.get("data"), "--target": asked.get("target"), "--time-column": asked.get("time_column"),
        "--days": asked.get("days") if not asked.get("data") else None,
        "--scale": asked.get("scale") if asked.get("scale", 1) != 1 else None, "--engine": engines[0],
        "--workers": asked.get("n_workers") or ",".join(map(str, asked.get("workers") or ())) or None,
        "--rounds": asked.get("rounds"), "--latency-s": latency, "--by": asked.get("by"),
    }  # fmt: skip
    for option, value in given.items():
        words += [option, shlex.quote(str(value))] if value is not None else []
    return " ".join(words + (["--weak"] if asked.get("weak") or asked.get("scaling") == "weak" else []))
