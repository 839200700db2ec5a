"""`labkit ec2`: a lab on AWS EC2, from its first stack to its last."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from ec2 import costs, inside  # noqa: F401 (the verbs that work on the head add themselves)
from ec2.options import DryRun, Name, Region, Yes, ec2, language, open_lab, say, tell
from ec2.text import tr
from ec2.wishes import Wishes
from labkit.cli.options import Json
from labkit.cli.show import errors, show_json, show_table


@ec2.command()
def up(
    cidr: Annotated[str, typer.Option(help="Who may reach port 443, such as 203.0.113.7/32.")],
    name: Name = "lab",
    region: Region = None,
    type_: Annotated[str, typer.Option("--type", help="The head's instance type.")] = "t3.large",
    worker_type: Annotated[str, typer.Option(help="The workers' instance type.")] = "t3.large",
    workers: Annotated[int, typer.Option(help="How many workers.")] = 0,
    disk: Annotated[int, typer.Option(help="GiB of each disk (encrypted gp3).")] = 30,
    credits_: Annotated[str, typer.Option("--credits", help="How t types burst: standard, or unlimited.")] = "standard",
    domain: Annotated[str, typer.Option(help="A name that leads to the head: Let's Encrypt certifies it.")] = "",
    email: Annotated[str, typer.Option(help="Where Let's Encrypt may write to.")] = "",
    image: Annotated[str | None, typer.Option(help="An image of Ubuntu 24.04 or Debian 12 with the SSM agent.")] = None,
    vpc: Annotated[str, typer.Option(help="A VPC that is there [one of the lab's own].")] = "",
    subnet: Annotated[str, typer.Option(help="A public subnet of it.")] = "",
    dry_run: DryRun = False,
) -> None:
    """Make the bucket, bring the code there, then make the lab; again where that was cut short."""
    lang = language()
    wishes = Wishes(name, cidr, type_, worker_type, workers, disk, credits_, domain, email, image, vpc, subnet)
    wishes.check(lang)  # before anything is asked of AWS
    try:
        told = open_lab(name, region).up(wishes, say if dry_run else tell, dry_run=dry_run)
    except KeyboardInterrupt:
        errors.print(tr("interrupted", lang), highlight=False, markup=False, soft_wrap=True)
        raise
    if not dry_run:
        say(tr("is_up", lang, url=told["Url"]))
    if type_.startswith("t"):
        say(tr("credits_note", lang, type=type_, credits=credits_))


@ec2.command()
def status(name: Name = "lab", region: Region = None, as_json: Json = False, dry_run: DryRun = False) -> None:
    """Say what runs of the lab, and how far its first boot is."""
    lang, now = language(), open_lab(name, region).standing()  # it changes nothing, dry run or not
    if as_json:
        show_json(dataclasses.asdict(now))
        return
    states = ", ".join(f"{state} × {now.workers.count(state)}" for state in sorted(set(now.workers)))
    say(tr("status_head", lang, head=now.head, type=now.instance_type, state=now.state))
    say(tr("status_boot", lang, said=now.first_boot or tr("boot_pending", lang)))
    say(tr("status_workers", lang, type=now.worker_type, n=now.n_workers, states=states or tr("none", lang)))
    say(tr("status_release", lang, name=now.release, bucket=now.bucket))
    if now.credits:
        say(tr("status_credits", lang, credits=now.credits))
    say(now.url)


@ec2.command()
def scale(
    n: Annotated[int, typer.Argument(help="How many workers.")],
    name: Name = "lab",
    region: Region = None,
    dry_run: DryRun = False,
) -> None:
    """Have N workers; those that are too many end, and work on them is done again by others."""
    lang, lab = language(), open_lab(name, region)
    now = lab.standing().n_workers if dry_run else lab.scale(n)
    say(tr("would_scale" if dry_run else "scaled", lang, n=n, now=now))


@ec2.command()
def stop(name: Name = "lab", region: Region = None, dry_run: DryRun = False) -> None:
    """Stop the head and end the workers; the head's disk stays."""
    lang, lab = language(), open_lab(name, region)
    now = lab.standing()
    if not dry_run:
        lab.stop()
    say(tr("would_stop" if dry_run else "stopped", lang, head=now.head, n=now.n_workers))


@ec2.command()
def start(name: Name = "lab", region: Region = None, dry_run: DryRun = False) -> None:
    """Start the head that was stopped, and as many workers as there were."""
    lang, lab = language(), open_lab(name, region)
    now = lab.standing()
    if dry_run:
        say(tr("would_start", lang, head=now.head))
        return
    say(tr("started", lang, head=now.head, n=lab.start()))


@ec2.command()
def down(
    name: Name = "lab",
    region: Region = None,
    with_bucket: Annotated[bool, typer.Option("--with-bucket", help="Remove all backups too.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Say what goes, and remove it; the bucket stays unless told. Half-made labs too."""
    lang, lab = language(), open_lab(name, region)
    bucket = lab.bucket(lab.cloud.account())
    parts = lab.parts()
    if not parts and not with_bucket:
        say(tr("nothing", lang))
        return
    say(tr("goes", lang))
    for kind, key in parts:
        say(f"  {kind:<40} {key}")
    if any(kind == "AWS::EC2::Instance" for kind, _ in parts):
        say(tr("runs_go", lang))
    say(tr("bucket_goes" if with_bucket else "stays", lang, bucket=bucket))
    if dry_run or not (yes or typer.confirm(tr("sure", lang))):
        return
    try:
        lab.down(tell, with_bucket=with_bucket)
    except KeyboardInterrupt:
        errors.print(tr("interrupted", lang), highlight=False, markup=False, soft_wrap=True)
        raise
    say(tr("down", lang, name=name))


@ec2.command()
def cost(
    name: Name = "lab",
    region: Region = None,
    price: Annotated[list[str] | None, typer.Option(help="Such as t3.large=0.09, in USD; several times.")] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Say what the lab costs as it stands; a price that nobody gave with its source stays blank."""
    lang = language()
    own, prices = costs.given(price or [], lang), costs.read_prices()
    lab = open_lab(name, region)
    now = lab.standing()  # it changes nothing, dry run or not
    n_workers, running = len(now.workers), now.state == "running"
    wanted: dict[tuple[str, str], float] = {(now.instance_type, "hour"): float(running)}
    worker = (now.worker_type, "hour")
    wanted[worker] = wanted.get(worker, 0.0) + n_workers
    wanted[("gp3", "gb-month")] = float(now.disk_gib * (1 + n_workers))
    wanted[("public-ipv4", "hour")] = 1.0 + n_workers
    items = costs.bill(wanted, lab.cloud.region, prices, own)
    if as_json:
        show_json(
            {
                "date": prices["date"],
                "items": [dataclasses.asdict(each) | {"month_usd": each.month_usd} for each in items],
            }
        )
        return
    rows: list[list[Any]] = [
        [each.what, f"{each.amount:g}", _usd(each.price_usd, 4), tr(each.unit, lang), _usd(each.month_usd, 2),
         each.source]
        for each in items
    ]  # fmt: skip
    head = [tr(f"col_{key}", lang) for key in ("what", "amount", "price")] + [""]
    show_table(
        tr("cost_title", lang, region=lab.cloud.region, date=prices["date"]),
        [*head, tr("col_month", lang), tr("col_source", lang)],
        rows,
    )
    blank = [each.what for each in items if each.month_usd is None]
    if blank:
        say(tr("cost_blank", lang, names=", ".join(blank), first=blank[0]))
    else:
        say(tr("cost_total", lang, total=_usd(sum(each.month_usd or 0.0 for each in items), 2)))


def _usd(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
