"""Pandoc's document tree: read from Markdown, made safe, changed for each format, written."""

from __future__ import annotations

import copy
import functools
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.errors import TaskFailed

Tree = dict[str, Any]
OURS = "markdown-citations-raw_html-raw_tex-raw_attribute-latex_macros-yaml_metadata_block-pandoc_title_block-smart"
# Nothing in the author's words may name a file, a style or another format's code.
THEIRS = (
    f"{OURS}-link_attributes-header_attributes-fenced_code_attributes-inline_code_attributes"
    "-bracketed_spans-native_spans-fenced_divs-native_divs-implicit_figures-auto_identifiers-grid_tables"
)
_TIMEOUT_S = 60.0


def run(arguments: Sequence[str], text: str, environment: Mapping[str, str] | None = None) -> bytes:
    """Run pandoc on a text and return what it wrote.

    Raises
    ------
    TaskFailed
        If it fails or takes too long.
    """
    import os

    import pypandoc

    command = [pypandoc.get_pandoc_path(), *arguments]
    try:
        done = subprocess.run(
            command, input=text.encode("utf-8"), capture_output=True, timeout=_TIMEOUT_S,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise TaskFailed(f"pandoc could not be run: {fault}") from fault
    if done.returncode:
        raise TaskFailed(f"pandoc failed: {done.stderr.decode('utf-8', 'replace').strip()[:500]}")
    return done.stdout


def version() -> str:
    """Return pandoc's version."""
    import pypandoc

    return str(pypandoc.get_pandoc_version())


def read(markdown: str, dialect: str = OURS) -> Tree:
    """Return the tree of a Markdown text."""
    tree: Tree = json.loads(run(["-f", dialect, "-t", "json", "--columns=10000"], markdown))
    return tree


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a tree whose elements went through `change`, inner ones first; a list stands for several elements."""
    if isinstance(value, list):
        found: list[Any] = []
        for each in value:
            new = changed(each, change)
            if isinstance(each, dict) and isinstance(new, list):
                found.extend(new)
            else:
                found.append(new)
        return found
    if isinstance(value, dict):
        new = {key: changed(each, change) for key, each in value.items()}
        return change(new) if "t" in new else new
    return value


_KEPT = {
    "Para", "Plain", "Str", "Space", "SoftBreak", "LineBreak", "Emph", "Strong", "Strikeout", "Superscript",
    "Subscript", "SmallCaps", "Quoted", "Code", "CodeBlock", "BlockQuote", "BulletList", "OrderedList",
    "DefinitionList", "Header", "HorizontalRule", "Table", "Link", "Math", "Note", "LineBlock", "Underline",
}  # fmt: skip
_HEADINGS_FROM = 2


def own_blocks(markdown: str) -> list[Any]:
    """Return the author's words as blocks: no raw code of any format, no attribute, headings below the section's.

    A formula that cannot be read is shown as it was written.
    """

    def safe(element: Any) -> Any:
        kind, content = element["t"], element.get("c")
        if kind == "Header":
            return {"t": "Header", "c": [min(6, content[0] + _HEADINGS_FROM), ["", ["unnumbered"], []], content[2]]}
        if kind in ("Code", "CodeBlock"):
            known = [name for name in content[0][1][:1] if name in _HIGHLIGHTED]
            return {"t": kind, "c": [["", known, []], content[1]]}
        if kind == "Math" and _formula(content[0]["t"], content[1]) is None:
            return {"t": "Code", "c": [["", [], []], content[1]]}
        if kind in ("Link", "Table"):
            return {"t": kind, "c": [["", [], []], *content[1:]]}
        if kind in ("Image", "Span", "Div", "RawBlock", "RawInline", "Cite", "Figure"):
            return []
        return element if kind in _KEPT or kind[0].isupper() else []

    blocks: list[Any] = changed(read(markdown, THEIRS)["blocks"], safe)
    return blocks


_HIGHLIGHTED = ("python", "bash", "sh", "json", "yaml", "sql", "toml", "javascript", "typescript", "html", "css", "r")


def spliced(tree: Tree, words: Mapping[str, str]) -> Tree:
    """Return a tree with the author's words in the places that wait for them; a place without words goes."""
    blocks = {name: own_blocks(text) for name, text in words.items()}

    def put(element: Any) -> Any:
        if element["t"] == "Div" and "own" in element["c"][0][1]:
            name = dict(element["c"][0][2])["section"]
            if name not in blocks:
                return []
            return {"t": "Div", "c": [["", ["own"], []], blocks[name]]}
        return element

    return {**tree, "blocks": changed(tree["blocks"], put)}


def for_html(tree: Tree, title_of: Callable[[int], str]) -> Tree:
    """Return a tree whose numbers say where they come from when they are pointed at."""

    def tell(element: Any) -> Any:
        if element["t"] == "Span" and (place := dict(element["c"][0][2]).get("e")) is not None:
            classes = ["n", *element["c"][0][1]]
            attributes = [["data-e", place], ["title", title_of(int(place))]]
            return {"t": "Span", "c": [["", classes, attributes], element["c"][1]]}
        return element

    return {**tree, "blocks": changed(copy.deepcopy(tree["blocks"]), tell)}


def for_docx(tree: Tree, images: Mapping[str, str]) -> Tree:
    """Return a tree with plain numbers, pictures as PNG and Word's own styles for what stands out."""

    def fit(element: Any) -> Any:
        kind, content = element["t"], element.get("c")
        if kind == "Span":
            return _span(element)
        if kind == "Image":
            return {"t": "Image", "c": [content[0], content[1], [images[content[2][0]], content[2][1]]]}
        if kind == "Div":
            style = next((_STYLES[name] for name in content[0][1] if name in _STYLES), None)
            attributes = [["custom-style", style]] if style else []
            return {"t": "Div", "c": [[content[0][0], [], attributes], content[1]]}
        return element

    return {**tree, "blocks": changed(copy.deepcopy(tree["blocks"]), fit)}


_STYLES = {"own": "Own Words", "missing": "Not Measured", "lead": "Abstract"}


def _span(element: Any) -> Any:
    classes, inside = element["c"][0][1], element["c"][1]
    if "code" in classes:
        return {"t": "Code", "c": [["", [], []], flat(inside)]}
    return {"t": "Strong", "c": inside} if "missing" in classes else inside


def flat(inlines: Any) -> str:
    """Return the text of inline elements."""
    if isinstance(inlines, list):
        return "".join(flat(each) for each in inlines)
    if not isinstance(inlines, dict):
        return ""
    kind, content = inlines.get("t"), inlines.get("c")
    if kind == "Str":
        return str(content)
    if kind in ("Space", "SoftBreak", "LineBreak"):
        return " "
    if kind in ("Code", "Math"):
        return str((content or ["", ""])[1])
    return flat(content)


def for_typst(tree: Tree) -> Tree:
    """Return a tree for Typst: descriptions on pictures and formulae, which PDF/UA-1 asks for and pandoc leaves out."""

    def fit(element: Any) -> Any:
        kind, content = element["t"], element.get("c")
        if kind == "Span":
            return _span(element)
        if kind == "Image":
            given = dict(content[0][2])
            width, alt = given.get("width", "100%"), given.get("alt") or flat(content[1])
            call = f"#image({_quoted(content[2][0])}, width: {width}, alt: {_quoted(alt)})"
            return {"t": "RawInline", "c": ["typst", call]}
        if kind == "Math":
            formula = _formula(content[0]["t"], content[1])
            shown = "true" if content[0]["t"] == "DisplayMath" else "false"
            call = f"#math.equation(alt: {_quoted(content[1])}, block: {shown}, {formula})"
            return {"t": "RawInline", "c": ["typst", call]}
        if kind == "Table" and sum(len(body[3]) for body in content[4]) > _LONG_TABLE:
            return [_typst("#[#show figure: set block(breakable: true)"), element, _typst("]")]
        if kind == "Div":
            name = next((name for name in content[0][1] if name in ("own", "lead")), None)
            if name:
                return [_typst(f"#{name}["), *content[1], _typst("]")]
        return element

    return {**tree, "blocks": changed(copy.deepcopy(tree["blocks"]), fit)}


_LONG_TABLE = 24  # rows: what is shorter stays on one page


def _typst(code: str) -> dict[str, Any]:
    return {"t": "RawBlock", "c": ["typst", code]}


@functools.cache
def _formula(kind: str, tex: str) -> str | None:
    """Return a formula as Typst writes it; None where pandoc cannot read it, and would hand it on as it is."""
    block = {"t": "Para", "c": [{"t": "Math", "c": [{"t": kind}, tex]}]}
    told = json.dumps({"pandoc-api-version": _api(), "meta": {}, "blocks": [block]})
    try:
        return run(["-f", "json", "-t", "typst", "--fail-if-warnings"], told).decode("utf-8").strip()
    except TaskFailed:
        return None


@functools.cache
def _api() -> Any:
    return read("x")["pandoc-api-version"]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
