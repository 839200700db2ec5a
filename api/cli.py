"""`labkit serve` and `labkit token`."""

from __future__ import annotations

import dataclasses
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.settings import SCOPES, Settings, is_loopback
from labkit.cli.app import app
from labkit.cli.options import Json
from labkit.cli.show import console, show_json, show_table
from labkit.errors import InvalidArgument
from labkit.files.whole import write_whole
from labkit.lab import Lab, start
from labkit.parallel.head import check_port_number
from labkit.parallel.service import LOOPBACK, check_port

if TYPE_CHECKING:
    from api.tokens import TokenStore

URL_DAYS = 7.0  # how long the address that is printed opens the server

token = typer.Typer(no_args_is_help=True, help="Make, list and revoke tokens of the services.")
app.add_typer(token, name="token")


@app.command()
def serve(
    port: int = typer.Option(8000, help="Port of the services."),
    host: str = typer.Option(LOOPBACK, help="Address to listen at; any but loopback needs a token made before."),
    lab_mode: bool = typer.Option(False, "--lab", help="Allow killing actors, for lessons on faults."),
    url_file: Path | None = typer.Option(None, hidden=True, help="Write the address there instead of printing it."),  # noqa: B008
) -> None:
    """Serve predictions, trainings, benchmarks and metrics until Ctrl-C.

    The address that is printed holds a token for a browser, valid for 7 days. Programs send a token of their own:
    labkit token new --scopes predict. LABKIT_SERVICES=prediction serves that alone; LABKIT_HOSTS names this machine.
    """
    settings, opened = Settings.read(lab_mode=lab_mode), start()
    check_port(check_port_number(port), "The services", "--port") if is_loopback(host) else None
    tokens = _tokens(opened)
    if is_loopback(host):
        url = f"http://{LOOPBACK}:{port}/?token={tokens.make('address', days=URL_DAYS)}"
    elif not any(each.is_good() for each in tokens.list()):
        raise InvalidArgument(f"To listen at {host} a token is needed: make one by labkit token new")
    else:
        url = f"http://{host}:{port}/"
    if url_file is not None:
        write_whole(url_file, url + "\n", mode=0o600)
    else:
        console.print("Services …")
    gc.disable()  # until the server is up: a sixth of what its libraries take to load
    import scipy.special  # noqa: F401 (skops looks for its functions in all modules, in the order of their import)

    _import_scikit_learn()
    from api.server import run

    def tell() -> None:
        if url_file is None:
            console.print(f"Services: {url}\nCtrl-C ends them.", highlight=False, soft_wrap=True)

    run(opened, settings, host, port, tell)


@token.command("new")
def new(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "token",
    scopes: Annotated[str, typer.Option(help="Of read, predict and operate, with commas between.")] = ",".join(SCOPES),
    days: Annotated[float | None, typer.Option(help="How long it is good [90].")] = 90.0,
    file: Annotated[Path | None, typer.Option(help="Keep it there, unless one that is good is there already.")] = None,
) -> None:
    """Make a token and print it, this once: only a digest of it is kept."""
    asked, tokens = tuple(part.strip() for part in scopes.split(",") if part.strip()), _tokens(start())
    if file is None:
        print(tokens.make(name, asked, days))
        return
    found = tokens.check(file.read_text("utf-8", "replace").strip()) if file.exists() else None
    if found is None or set(found.scopes) != set(asked):
        write_whole(file, tokens.make(name, asked, days) + "\n", mode=0o600)
    console.print(f"{file} holds a token for {name}.", highlight=False, soft_wrap=True)


@token.command("list")
def list_(as_json: Json = False) -> None:
    """List tokens, the newest first; of none can be told what it is."""
    found = [dataclasses.asdict(each) | {"good": each.is_good()} for each in _tokens(start()).list()]
    if as_json:
        show_json(found)
        return
    rows = [
        [each["id"], each["name"], ", ".join(each["scopes"]), each["created"][:16], (each["expires"] or "never")[:16],
         "good" if each["good"] else "revoked" if each["revoked"] else "expired"]
        for each in found
    ]  # fmt: skip
    show_table("Tokens", ["token", "name", "scopes", "created", "expires", ""], rows)


@token.command("revoke")
def revoke(key: Annotated[str, typer.Argument(help="What stands before its dot.")]) -> None:
    """Revoke a token; within 2 seconds it opens nothing any more."""
    console.print(f"Token {_tokens(start()).revoke(key).id} is revoked.", highlight=False)


def _import_scikit_learn() -> None:
    """Import scikit-learn without Pandas, which it imports at once and uses for nothing here: 0.2 s and 20 MB."""
    if "pandas" not in sys.modules:
        sys.modules["pandas"] = None  # type: ignore[assignment]
        try:
            import sklearn.utils.fixes  # noqa: F401
        finally:
            del sys.modules["pandas"]


def _tokens(lab: Lab) -> TokenStore:
    from api.tokens import TokenStore  # SQLAlchemy, which not every command needs
    from labkit.store.database import open_database

    return TokenStore(open_database(lab.settings.database or lab.folder.database_url))
