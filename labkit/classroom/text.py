"""What people read, in each language, and numbers written as that language writes them."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any

from labkit.errors import UnknownName

LANGUAGES = ("en", "es")


def t(key: str, lang: str, **values: object) -> str:
    """Return a text in a language, its ``{placeholders}`` filled in.

    Parameters
    ----------
    key : str
        Its dotted place in `texts.toml`, such as "plot.ideal".
    lang : {"en", "es"}
        The reader's language.
    **values
        One for each placeholder.

    Returns
    -------
    str

    Raises
    ------
    KeyError
        If there is no such text, or a placeholder has no value.
    UnknownName
        If there is no such language.

    Examples
    --------
    >>> t("plot.ideal", "es")
    'Ideal'
    """
    _check_language(lang)
    found: Any = _texts()
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            raise KeyError(key)
        found = found[part]
    if not isinstance(found, dict) or not isinstance(found.get(lang), str):
        raise KeyError(key)
    return str(found[lang]).format(**values)


def number(value: float, lang: str, digits: int = 2) -> str:
    """Write a number as a language does.

    Parameters
    ----------
    value : float
        Any number.
    lang : {"en", "es"}
        The reader's language.
    digits : int
        Digits after the decimal sign.

    Returns
    -------
    str
        Thousands are grouped from five digits on: by a comma in English, a no-break space in Spanish.

    Raises
    ------
    UnknownName
        If there is no such language.

    Examples
    --------
    >>> number(1234.5, "en"), number(1234.5, "es"), number(61500.4, "en", digits=0)
    ('1234.50', '1234,50', '61,500')
    """
    _check_language(lang)
    written = f"{value:,.{digits}f}" if abs(value) >= 10_000 else f"{value:.{digits}f}"
    return written.translate({ord(","): "\N{NO-BREAK SPACE}", ord("."): ","}) if lang == "es" else written


def percent(fraction: float, lang: str, digits: int = 0) -> str:
    """Write a fraction (0–1) as a percentage: 85% in English, 85 % in Spanish."""
    return number(100 * fraction, lang, digits) + ("\N{NO-BREAK SPACE}%" if lang == "es" else "%")


def _check_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise UnknownName(f"There is no language {lang!r}; choose one of {', '.join(LANGUAGES)}.")


@functools.cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(resources.files("labkit.classroom").joinpath("texts.toml").read_text(encoding="utf-8"))
