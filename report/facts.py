"""What the project has, read from its own files, so that text and diagrams cannot drift from them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from labkit.errors import InvalidData

ROOT = Path(__file__).resolve().parents[1]
_MOST_BYTES = 1_000_000


def read_facts(root: Path = ROOT) -> dict[str, Any]:
    """Return what a clone has: routes, services, ports, containers, what deploys it; None for what is not there.

    Raises
    ------
    InvalidData
        If a file is there but cannot be read.
    """
    routes = _routes(root)
    return {
        "routes": routes,
        "services": _services(root) or sorted({route["service"] for route in routes}),
        "ports": _ports(root),
        "recipes": _recipes(root),
        "compose": _compose(root),
        "ec2": _ec2(root),
        "notebooks": sorted(path.stem for path in (root / "notebooks" / "en").glob("*.ipynb")),
    }


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidData(f"{path} is larger than {_MOST_BYTES} bytes: that is no file of this project.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise InvalidData(f"{path} cannot be read: {fault}") from fault


def _routes(root: Path) -> list[dict[str, Any]]:
    """Return each route of the OpenAPI file with its service and its answers."""
    path = root / "frontend" / "openapi.json"
    if not path.exists():
        return []
    try:
        spec = json.loads(_text(path))
        return [
            {
                "method": method.upper(), "path": at, "service": operation["tags"][0],
                "statuses": sorted(operation["responses"]),
            }
            for at, methods in spec["paths"].items()
            for method, operation in methods.items()
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InvalidData(f"{path} is no OpenAPI file: {type(fault).__name__}: {fault}") from fault


def _services(root: Path) -> list[str]:
    """Return the services that a process may serve, each with its own router."""
    path = root / "api" / "settings.py"
    found = re.search(r"^SERVICES = \((.*?)\)", _text(path), re.MULTILINE | re.DOTALL) if path.exists() else None
    return re.findall(r"\"(\w+)\"", found[1]) if found else []


def _ports(root: Path) -> dict[str, int]:
    """Return the default port of each part, from the options and constants that set them."""
    places = {
        "api": ("api/cli.py", r"port: int = typer\.Option\((\d+)"),
        "jupyter": ("labkit/cli/lab.py", r"    port: int = typer\.Option\((\d+)"),
        "ray": ("labkit/parallel/head.py", r"^DEFAULT_PORT = (\d+)"),
        "frontend": ("frontend/package.json", r"vite --port (\d+)"),
    }
    found = {}
    for name, (file, pattern) in places.items():
        path = root / file
        match = re.search(pattern, _text(path), re.MULTILINE) if path.exists() else None
        if match:
            found[name] = int(match[1])
    return found


def _recipes(root: Path) -> list[str]:
    path = root / "labkit" / "learning" / "recipes.toml"
    return re.findall(r"^\[([\w-]+)\]", _text(path), re.MULTILINE) if path.exists() else []


def _compose(root: Path) -> dict[str, Any] | None:
    """Return the services of a Compose file: image, ports, copies, what each waits for."""
    path = next((root / name for name in ("compose.yaml", "compose.yml") if (root / name).exists()), None)
    if path is None:
        return None
    import yaml

    try:
        content = yaml.safe_load(_text(path))
        services = [_container(name, service) for name, service in content["services"].items()]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as fault:
        raise InvalidData(f"{path} is no Compose file: {type(fault).__name__}: {fault}") from fault
    return {"file": path.name, "services": services}


def _container(name: str, service: dict[str, Any]) -> dict[str, Any]:
    built = service.get("build")
    depends = service.get("depends_on", [])
    copies = (service.get("deploy") or {}).get("replicas", service.get("scale", 1))
    return {
        "name": str(name),
        "image": _default(str(service.get("image") or (built if isinstance(built, str) else "build"))),
        "ports": [_published(port) for port in service.get("ports", [])],
        "copies": _default(str(copies)),
        "waits_for": sorted(map(str, depends)),
        "health": "healthcheck" in service,
    }


def _published(port: Any) -> str:
    """Return a port as Compose publishes it: host and container, variables at their defaults."""
    if isinstance(port, dict):
        return f"{_default(str(port.get('published', '')))}:{port.get('target', '')}"
    return _default(str(port))


def _default(text: str) -> str:
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", text)


def _ec2(root: Path) -> dict[str, Any] | None:
    """Return what deploys on EC2: its files but for the commands' own code, and the resources of the templates."""
    folder = root / "ec2"
    if not folder.is_dir():
        return None
    files = [path for path in sorted(folder.rglob("*")) if _is_of_project(path) and path.suffix not in (".py", ".toml")]
    resources: list[dict[str, str]] = []
    for path in files:
        if path.suffix in (".yaml", ".yml"):
            section = "".join(re.findall(r"^Resources:\n((?:[ #].*\n|\n)*)", _text(path) + "\n", re.MULTILINE))
            found = re.findall(r"^  (\w+):\s*\n(?:\s*#.*\n)*\s+Type:\s*['\"]?(AWS::[\w:]+)", section, re.MULTILINE)
            resources += [{"name": name, "type": kind} for name, kind in found]
    names = [path.relative_to(root).as_posix() for path in files]
    return {"files": names, "resources": resources, "commands": _commands(folder)}


def _is_of_project(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")


def _commands(folder: Path) -> list[str]:
    """Return the commands that `ec2/` adds to `labkit`."""
    command = re.compile(r"^@\w+\.command\((?:\"([\w-]+)\")?\)\s*\ndef (\w+)", re.MULTILINE)
    texts = [_text(path) for path in sorted(folder.glob("*.py"))]
    return [(each[1] or each[2].rstrip("_")).replace("_", "-") for text in texts for each in command.finditer(text)]
