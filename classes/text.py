"""What an instructor reads of a class, in each language."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from labkit.classroom.exercises import exercises
from labkit.classroom.text import number

LANGUAGES = ("es", "en")


def tr(key: str, lang: str, **values: Any) -> str:
    r"""Return a text in a language, its ``{placeholders}`` filled in; numbers as that language writes them.

    Raises
    ------
    KeyError
        If there is no such text.

    Examples
    --------
    >>> tr("refused.many", "es", n=61500, most=5000)
    'tiene 61\xa0500 archivos; se leen 5000 como mucho'
    """
    found: Any = _texts()
    for part in key.split("."):
        found = found[part]
    shown = {name: _written(value, lang) for name, value in values.items()}
    return str(found[lang]).format(**shown)


@functools.cache
def course() -> dict[str, dict[str, Any]]:
    """Return the texts of all exercises and predictions, read once: a class asks for them thousands of times."""
    return exercises()


def _written(value: Any, lang: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return number(value, lang, 0 if isinstance(value, int) else 1)


@functools.cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text("utf-8"))
