"""The reference of the services, made from their OpenAPI file: `python -m api.docs` writes docs/api.md."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from api.problems import problems_table

_METHODS = ("get", "post", "delete")


@functools.cache
def answers() -> dict[str, Any]:
    """Return an answer of each route, such as "GET /models": real ones of a small lab, long lists cut short."""
    return dict(json.loads(Path(__file__).with_name("answers.json").read_text("utf-8")))


def with_examples(spec: dict[str, Any]) -> dict[str, Any]:
    """Give each operation of an OpenAPI file the example of its answer."""
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            example = answers().get(f"{method.upper()} {path}")
            for status, answer in operation["responses"].items():
                for media in answer.get("content", {}).values() if status.startswith("2") and example else ():
                    media["example"] = example
    return spec


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
    style += "pre{padding:.7em;white-space:pre-wrap;overflow-wrap:anywhere}"
    style += "table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:.3em .6em}"
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
    shown = answers().get(f"{method.upper()} {path}")
    if shown is not None:
        yield from (
            "",
            "```",
            shown.rstrip() if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False),
            "```",
        )
    told = ", ".join(
        f"{status} {answer['description'].rstrip('.')}" for status, answer in operation["responses"].items()
    )
    yield from ("", f"Answers: {told}.")


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
    """Write docs/api.md, and the OpenAPI file that the dashboard's client is made from."""
    root, spec = Path(__file__).resolve().parents[1], specification()
    root.joinpath("docs", "api.md").write_text(to_markdown(spec), "utf-8")
    root.joinpath("frontend", "openapi.json").write_text(to_json(spec), "utf-8")


def to_json(spec: Mapping[str, Any]) -> str:
    """Return an OpenAPI file as text."""
    return json.dumps(spec, indent=1, ensure_ascii=False) + "\n"


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
