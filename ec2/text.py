"""What the commands of a lab on EC2 say, in each language."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path


@functools.cache
def texts() -> dict[str, dict[str, str]]:
    """Return all texts by their names."""
    found: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("texts.toml").read_text("utf-8"))
    return found


def tr(key: str, lang: str, **values: object) -> str:
    """Return a text in a language, its ``{placeholders}`` filled in.

    Raises
    ------
    KeyError
        If there is no such text, or a placeholder has no value.

    Examples
    --------
    >>> tr("none", "es"), tr("none", "en")
    ('ninguno', 'none')
    """
    return texts()[key][lang].format(**values)
