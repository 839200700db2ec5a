"""The reference of the services, made from their OpenAPI file: `python -m api.docs` writes docs/api.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.problems import problems_table

_METHODS = ("get", "post", "delete")


def to_markdown(spec: Mapping[str, Any]) -> str:
    """Return the reference: each route with what it takes, an example and its answers.

    Parameters
    ----------
    spec : mapping
        An OpenAPI file.
    """
    return "\n".join(_lines(spec)).strip() + "\n"


def to_html(spec: Mapping[str, Any]) -> str:
    """Return the reference as a page that asks no other host for anything."""
    import mistune

    style = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre,code{background:#f4f4f4}"
    style += (
        "pre{padding:.7em;overflow:auto}table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:.3em .6em}"
    )
    body = mistune.create_markdown(plugins=["table"])(to_markdown(spec))
    title = '<!doctype html><html lang="en"><meta charset="utf-8"><title>labkit: the services</title>'
    return f'{title}<meta name="viewport" content="width=device-width"><style>{style}</style><main>{body}</main>'


def _lines(spec: Mapping[str, Any]) -> Iterator[str]:
    yield "# The services"
    yield ""
    yield str(spec["info"]["description"])
    yield ""
    yield "`TOKEN=$(labkit token new)` makes the token of the examples. Only `/health` and `/health/ready` need none."
    tag = ""
    for path, methods in spec["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            operation = methods[method]
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield from ("", f"## {tag.capitalize()}")
            yield from _operation(spec, path, method, operation)
    yield from ("", "## Problems", "", "| status | code | when |", "| ---: | :--- | :--- |")
    yield from (f"| {status} | `{code}` | {when} |" for status, code, when in problems_table())


def _operation(spec: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"### {method.upper()} {path}", "", str(operation.get("description") or operation["summary"]))
    parameters = operation.get("parameters", [])
    if parameters:
        yield from ("", "| parameter | in | what |", "| :--- | :--- | :--- |")
    for parameter in parameters:
        schema = parameter["schema"]
        default = f" [{json.dumps(schema['default'])}]" if schema.get("default") is not None else ""
        yield f"| `{parameter['name']}` | {parameter['in']} | {parameter.get('description', '')}{default} |"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = body.get("example") or example_of(spec, body.get("schema", {})) if body else None
    yield from ("", "```")
    yield from curl(path, method, example)
    yield "```"
    answers = ", ".join(
        f"{status} {answer['description'].rstrip('.')}" for status, answer in operation["responses"].items()
    )
    yield from ("", f"Answers: {answers}.")


def curl(path: str, method: str, example: Any) -> Iterator[str]:
    """Yield the lines of a command that asks a route."""
    verb = "" if method == "get" else f"-X {method.upper()} "
    token = "" if path.startswith("/health") else '-H "Authorization: Bearer $TOKEN" '
    quoted = path.replace("{run_id}", "$RUN").replace("{model_id}", "promoted").replace("{actor_id}", "$ACTOR")
    if example is None:
        yield f"curl -s {verb}{token}localhost:8000{quoted}"
        return
    yield f"curl -s {token}localhost:8000{quoted} -H 'Content-Type: application/json' \\"
    yield f"  -d '{json.dumps(example)}'"


def example_of(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Return a value that fits a schema, by its examples and defaults."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if schema.get("type") == "object":
        found = {name: example_of(spec, inner) for name, inner in schema.get("properties", {}).items()}
        return {name: value for name, value in found.items() if value is not None}
    return None


def main() -> None:
    """Write docs/api.md."""
    from pathlib import Path

    Path(__file__).resolve().parents[1].joinpath("docs", "api.md").write_text(to_markdown(specification()), "utf-8")


def specification() -> dict[str, Any]:
    """Return the OpenAPI file of all services, a lab's own included."""
    import tempfile

    from api.app import create_app
    from api.settings import Settings
    from labkit.lab import start

    with tempfile.TemporaryDirectory() as folder:
        return create_app(start(home=folder, lang="en"), Settings(lab_mode=True)).openapi()


if __name__ == "__main__":
    main()
