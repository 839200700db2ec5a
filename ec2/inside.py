"""The verbs that work on the head, by Systems Manager: no port but 443 is open, and none is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from ec2 import release
from ec2.cloud import CloudError
from ec2.lab import CURRENT
from ec2.options import DryRun, Name, Region, Yes, ec2, language, open_lab, say, tell
from ec2.text import tr
from ec2.wishes import Wishes
from labkit.cli.show import errors
from labkit.errors import InvalidArgument, TaskFailed

_UNITS = ("first-boot", "ray", "api", "jupyter", "gateway")
_PLUGIN = "session-manager-plugin"
_BACKUP_ID = re.compile(r"newest|[0-9a-f-]{4,64}")


@ec2.command()
def logs(
    name: Name = "lab",
    region: Region = None,
    unit: Annotated[str | None, typer.Option(help=f"Of {', '.join(_UNITS)} [all].")] = None,
    lines: Annotated[int, typer.Option(help="How many of the last lines.")] = 100,
    console: Annotated[
        bool, typer.Option("--console", help="The machine's own console, where nothing else answers.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Print the last lines of the head's services."""
    lang = language()
    if unit is not None and unit not in _UNITS:
        raise InvalidArgument(f"--unit: {', '.join(_UNITS)}")
    chosen = [unit] if unit else list(_UNITS)
    command = "journalctl --no-pager -o short-iso -n {} {}".format(
        max(1, lines), " ".join(f"-u labkit-{each}" for each in chosen)
    )
    lab = open_lab(name, region)
    if dry_run:
        say(tr("would_run", lang, command=command))
    elif console:
        import base64

        found = lab.cloud.call("ec2", "get_console_output", InstanceId=lab.standing().head)
        text = found.get("Output", "")
        say(base64.b64decode(text).decode("utf-8", "replace") if re.fullmatch(r"[A-Za-z0-9+/=\s]+", text) else text)
    else:
        say(lab.run(command))


@ec2.command("open")
def open_(
    name: Name = "lab",
    region: Region = None,
    port: Annotated[int, typer.Option(help="The port of this machine.")] = 8443,
    dry_run: DryRun = False,
) -> None:
    """Open a tunnel to the lab by Systems Manager, and print the address with its token."""
    lang, lab = language(), open_lab(name, region)
    now = lab.standing()
    if dry_run:
        say(tr("would_open", lang, port=port, head=now.head))
        return
    if now.state != "running":
        raise CloudError(tr("not_running", lang, state=now.state))
    token = lab.parameter("operator-token")
    if token is None:
        raise CloudError(tr("no_token", lang))
    plugin = shutil.which(_PLUGIN)
    if plugin is None:
        raise InvalidArgument(tr("no_plugin", lang, url=f"{now.url}?token={token}"))
    asked: dict[str, Any] = {
        "Target": now.head, "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": {"portNumber": ["443"], "localPortNumber": [str(port)]},
    }  # fmt: skip
    session = lab.cloud.call("ssm", "start_session", **asked)
    session.pop("ResponseMetadata", None)
    say(tr("open", lang, url=f"https://localhost:{port}/?token={token}"))
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or f"https://ssm.{lab.cloud.region}.amazonaws.com"
    command = [plugin, json.dumps(session), lab.cloud.region, "StartSession", "", json.dumps(asked), endpoint]
    status = subprocess.run(command).returncode
    if status:
        raise TaskFailed(f"{_PLUGIN}: {status}")


@ec2.command()
def update(name: Name = "lab", region: Region = None, dry_run: DryRun = False) -> None:
    """Bring the commit that is checked out to the lab; runs stay, and what is not ready is taken back."""
    new = open_lab(name, region).update(say if dry_run else tell, dry_run=dry_run)
    if not dry_run:
        say(tr("updated", language(), name=new))


@ec2.command()
def backup(
    name: Name = "lab",
    region: Region = None,
    keep: Annotated[int, typer.Option(help="How many of the newest backups stay.")] = 14,
    list_: Annotated[bool, typer.Option("--list", help="List them instead.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Back database and artefacts up to the lab's bucket, while it runs."""
    lang, lab = language(), open_lab(name, region)
    if keep < 1:
        raise InvalidArgument(f"--keep: {keep}")
    command = _as_lab("backup list" if list_ else f"backup make --keep {keep}")
    say(tr("would_run", lang, command=command) if dry_run else lab.run(command, timeout_s=3000))


@ec2.command()
def restore(
    which: Annotated[str, typer.Argument(help="The backup's id, the beginning of it, or newest.")] = "newest",
    name: Name = "lab",
    region: Region = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Put the lab to the state of a backup; the present state is backed up first. Again where that was cut short."""
    lang = language()
    if not _BACKUP_ID.fullmatch(which):  # it goes into a command line of the head's root
        raise InvalidArgument(tr("wrong_backup", lang, asked=which))
    lab = open_lab(name, region)
    command = f"bash {CURRENT}/ec2/restore.sh {which}"
    if dry_run:
        say(tr("would_run", lang, command=command))
        return
    lab.standing()
    if not yes and not typer.confirm(tr("sure_restore", lang, which=which)):
        return
    try:
        say(lab.run(command, timeout_s=3000))
    except KeyboardInterrupt:
        errors.print(tr("interrupted_restore", lang), highlight=False, markup=False, soft_wrap=True)
        raise


@ec2.command()
def bootstrap(
    here: Annotated[bool, typer.Option("--here", help="On this machine.")] = False,
    domain: Annotated[str, typer.Option(help="A name that leads here: Let's Encrypt certifies it.")] = "",
    email: Annotated[str, typer.Option(help="Where Let's Encrypt may write to.")] = "",
    dry_run: DryRun = False,
) -> None:
    """Set a lab up on this machine, Debian or Ubuntu, by the script that an EC2 instance runs at its first boot."""
    lang = language()
    if not here:
        raise InvalidArgument(tr("bootstrap_here", lang))
    if domain:
        Wishes("here", "0.0.0.0/0", domain=domain, email=email).check(lang)
    if shutil.which("apt-get") is None:
        raise InvalidArgument(tr("bootstrap_system", lang))
    if not dry_run and os.geteuid() != 0:
        raise InvalidArgument(tr("bootstrap_root", lang))
    with tempfile.TemporaryDirectory() as scratch:
        packed = release.pack(Path(scratch), lang)
        script = Path(__file__).with_name("first-boot.sh")
        environment = {
            **os.environ, "LAB_ROLE": "here", "LAB_ARCHIVE": str(packed.path), "LAB_DOMAIN": domain, "LAB_EMAIL": email,
            "LABKIT_LANG": lang,
        }  # fmt: skip
        command = ["sh", str(script), *(["--dry-run"] if dry_run else [])]
        status = subprocess.run(command, env=environment).returncode
    if status:
        raise TaskFailed(tr("bootstrap_failed", lang, status=status))


def _as_lab(command: str) -> str:
    return f"sh {CURRENT}/ec2/as-lab.sh {command}"
