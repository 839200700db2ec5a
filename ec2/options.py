"""Options that several verbs share, and what all of them do first."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ec2.cloud import Cloud
from ec2.lab import Ec2Lab
from labkit.cli.app import app
from labkit.cli.show import console, errors
from labkit.lab import Settings

ec2 = typer.Typer(no_args_is_help=True, help="Bring a lab up on AWS EC2, look after it, and take it down.")
app.add_typer(ec2, name="ec2")

Name = Annotated[str, typer.Option(help="The lab's name; several stand side by side.")]
Region = Annotated[str | None, typer.Option(help="AWS's region [AWS_REGION, or the profile's].")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def language() -> str:
    """Return the language of texts (`LABKIT_LANG`)."""
    return Settings.read().lang


def open_lab(name: str, region: str | None) -> Ec2Lab:
    """Return a lab by its name; nobody is asked yet."""
    return Ec2Lab(Cloud(region or os.environ.get("AWS_REGION"), language()), name)


def say(text: str) -> None:
    """Print one line as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def tell(text: str) -> None:
    """Print one line of progress, on standard error."""
    errors.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)
