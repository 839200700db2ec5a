"""What the report says, in each language."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

LANGUAGES = ("es", "en")


@functools.cache
def texts() -> dict[str, Any]:
    """Return all texts by their dotted places."""
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text("utf-8"))


def tr(key: str, lang: str, **values: object) -> str:
    """Return a text in a language, its ``{placeholders}`` filled in where values are given.

    Raises
    ------
    KeyError
        If there is no such text.

    Examples
    --------
    >>> tr("table", "es"), tr("absent_what", "en", what="x")
    ('Tabla', 'there is no x.')
    """
    found: Any = texts()
    for part in key.split("."):
        found = found[part]
    text = str(found[lang])
    return text.format(**values) if values else text
