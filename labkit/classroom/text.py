"""What people read, in each language, and numbers written as that language writes them."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

from labkit.errors import UnknownName

if TYPE_CHECKING:
    from labkit.scaling.bottlenecks import Diagnosis

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


def explain(found: Diagnosis, lang: str) -> str:
    """Write a diagnosis: where the workers' time went, what dominates, by which evidence, and what may help."""
    values = {name: _figure(name, value, lang) for name, value in found.figures.items()}
    named = [t(f"bottleneck.{found.bottleneck or 'untold'}", lang), *(t(f"mark.{mark}", lang) for mark in found.marks)]
    shares = sorted(found.shares.items(), key=lambda share: -(share[1] or 0.0))
    split = ", ".join(f"{t(f'bottleneck.{name}', lang)} {_figure('_share', share, lang)}" for name, share in shares)
    agreed = t("bottleneck.agreed", lang, agreed=percent(found.agreed, lang)) if found.agreed < 1 else ""
    head = t("bottleneck.head", lang, n_workers=values["n_workers"], named=", ".join(named), agreed=agreed, split=split)
    return f"{head} {t(f'evidence.{found.reason}', lang, **values)} {t(f'advice.{found.reason}', lang)}"


def _figure(name: str, value: float | None, lang: str) -> str:
    if value is None:
        return t("bottleneck.unmeasured", lang)
    if name.endswith(("_share", "_fraction")):
        return percent(value, lang)
    if name.endswith("_bytes"):
        scale, unit = (1e6, "MB") if value >= 1e6 else (1e3, "kB")
        return f"{number(value / scale, lang, 1)}\N{NO-BREAK SPACE}{unit}"
    return number(value, lang, 0 if name.startswith("n_") or name == "usable_cpus" else 3 if name == "task_s" else 2)


def _check_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise UnknownName(f"There is no language {lang!r}; choose one of {', '.join(LANGUAGES)}.")


@functools.cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(resources.files("labkit.classroom").joinpath("texts.toml").read_text(encoding="utf-8"))
