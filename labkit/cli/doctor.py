"""`labkit doctor`: is this machine fit for the lab, and if not, what to do."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator

import typer

from labkit import host
from labkit.cli.app import app
from labkit.cli.options import Json
from labkit.cli.show import console, show_json, show_table
from labkit.errors import LabError
from labkit.lab import Lab, start

_PORTS = {6379: ("Ray head", "--ray-port"), 8888: ("JupyterLab", "--port")}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` says what to do where it is not well."""

    what: str
    found: str
    well: bool
    fix: str = ""


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look at the machine, ports, memory, /dev/shm, Ray, versions and the lab's folder; say how to fix each."""
    findings = [*_machine(), *_lab()]
    if as_json:
        show_json([dataclasses.asdict(finding) for finding in findings])
    else:
        rows = [["ok" if item.well else "!", item.what, item.found, item.fix] for item in findings]
        show_table("Doctor", ["", "what", "found", "what to do"], rows)
        if all(item.well for item in findings):
            console.print("All is well.")
    if not all(item.well for item in findings):
        raise typer.Exit(1)


def _machine() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield _well("Python", python, (3, 11) <= sys.version_info[:2] <= (3, 13), "labkit runs on Python 3.11 to 3.13.")
    cpus, cores = host.usable_cpus(), host.physical_cores()
    yield _well(
        "CPUs", f"{cpus} usable, {cores} cores", cpus >= 2, "One CPU shows no speedup: take a machine with two."
    )
    free = host.available_memory_bytes()
    yield _well("memory", f"{free / 1e9:.1f} GB free", free > 3e9, "The lab needs about 3 GB: end other programs.")
    shm = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else 0
    shm_fix = "Ray's object store lies there: give it 1 GB or more (docker run --shm-size=2g)."
    yield _well("/dev/shm", f"{shm / 1e9:.1f} GB free", shm > 1e9, shm_fix)
    packages = host.fingerprint()["packages"]
    yield Finding("packages", ", ".join(f"{name} {found}" for name, found in packages.items()), True)


def _lab() -> Iterator[Finding]:
    try:
        lab = start()
        root = lab.folder.root
        free = shutil.disk_usage(root).free
        yield _well("lab folder", f"{root}, {free / 1e9:.1f} GB free", free > 2e9, "Free some, or set LABKIT_HOME.")
        yield from _ray(lab)
    except LabError as fault:
        yield Finding("lab folder", type(fault).__name__, False, str(fault))


def _ray(lab: Lab) -> Iterator[Finding]:
    from labkit.parallel.head import find_head
    from labkit.parallel.service import check_port

    head = find_head(lab.folder)
    if head is None:
        yield Finding("Ray", lab.settings.ray_address or "none runs for this lab; lab, bench and train start one", True)
    else:
        yield Finding("Ray", f"runs at {head.address}", True)
    if head is not None or lab.settings.ray_address is not None:
        from labkit.parallel.cluster import attached

        try:
            with attached(lab.folder, lab.settings.ray_address) as address:
                yield Finding("attaching", f"works at {address}", True)
        except LabError as fault:
            yield Finding("attaching", "fails", False, str(fault))
    for port, (name, option) in _PORTS.items():
        if head is not None and head.address.endswith(f":{port}"):
            continue
        try:
            check_port(port, name, option)
            yield Finding(f"port {port}", "free", True)
        except LabError as fault:
            yield Finding(f"port {port}", "taken", False, str(fault))


def _well(what: str, found: str, well: bool, fix: str) -> Finding:
    return Finding(what, found, well, "" if well else fix)
