"""Put a measured run into both READMEs: its table between the marks, its picture beside it.

`python docs/measured.py RUN` takes a run of this clone's lab; without one it takes the record that is kept in
`docs/measured.json`. A test proves that both READMEs agree with that record.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from labkit.classroom.plots import plot_speedup, table_markdown
from labkit.classroom.text import number
from labkit.scaling.benchmark import laws_of, rows_of

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "measured.json"
READMES = {"en": ROOT / "README.md", "es": ROOT / "README.es.md"}
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_CAPTION = {
    "en": "Ray on {cpu}, {cpus} CPUs, {cores} cores, {memory} GB; {rows} training rows, {fits} fits,"
    " {rounds} rounds; run `{run}`, host `{host}`, digest `{digest}`.",
    "es": "Ray en {cpu}, {cpus} CPU, {cores} núcleos, {memory} GB; {rows} filas de entrenamiento, {fits} ajustes,"
    " {rounds} rondas; ejecución `{run}`, máquina `{host}`, huella `{digest}`.",
}


def section(record: dict[str, Any], lang: str) -> str:
    """Return what stands between the marks."""
    machine, results = record["fingerprints"][0], record["results"]
    caption = _CAPTION[lang].format(
        cpu=machine["cpu_model"], cpus=machine["usable_cpus"], cores=machine["physical_cores"],
        memory=number(machine["memory_bytes"] / 1e9, lang, 0), rows=number(results["n_rows"], lang, 0),
        fits=len({event["task"] for event in record["events"]}), rounds=record["parameters"]["rounds"],
        run=record["id"], host=machine["digest"], digest=results["digest"],
    )  # fmt: skip
    return f"{BEGIN}\n{table_markdown(rows_of(results, 'ray'), lang)}\n\n{caption}\n{END}"


def with_section(text: str, record: dict[str, Any], lang: str) -> str:
    """Return a README's text with the section in its place."""
    before, _, rest = text.partition(BEGIN)
    return before + section(record, lang) + rest.partition(END)[2]


def main(arguments: list[str]) -> None:
    """Write record, tables and pictures."""
    if arguments:
        from labkit.files.whole import write_whole
        from labkit.lab import start

        record = start().runs.export(arguments[0])
        write_whole(RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    record = json.loads(RECORD.read_text())
    machine = record["fingerprints"][0]
    for lang, readme in READMES.items():
        readme.write_text(with_section(readme.read_text(), record, lang))
        label = f"{machine['cpu_model']}, {machine['usable_cpus']} CPU"
        figure = plot_speedup(rows_of(record["results"], "ray"), laws_of(record["results"], "ray"), lang, label)
        figure.savefig(ROOT / "docs" / f"measured.{lang}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])
