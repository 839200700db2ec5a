"""What a lab costs an hour and a month, from a dated file of prices; what has no price there stays blank."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ec2.text import tr
from labkit.errors import InvalidArgument

HOURS_A_MONTH = 730.0  # AWS's own month


@dataclasses.dataclass(frozen=True)
class Item:
    """One line of a bill.

    Parameters
    ----------
    what : str
        The price's name, such as "t3.large" or "gp3".
    amount : float
        How many of them, or how many GB.
    unit : {"hour", "gb-month"}
    price_usd : float or None
        For one and one unit; None where nobody gave one.
    source : str
        Where the price stands, or was to be looked up.
    """

    what: str
    amount: float
    unit: str
    price_usd: float | None
    source: str

    @property
    def month_usd(self) -> float | None:
        """For a month without a pause; None without a price."""
        if self.price_usd is None:
            return None
        return self.amount * self.price_usd * (HOURS_A_MONTH if self.unit == "hour" else 1.0)


def read_prices(path: Path | None = None) -> dict[str, Any]:
    """Return the file of prices: its date, and of each price its region, unit, value (or null) and source."""
    found: dict[str, Any] = json.loads((path or Path(__file__).with_name("prices.json")).read_text("utf-8"))
    return found


def given(texts: Sequence[str], lang: str) -> dict[str, float]:
    """Read prices as a person gives them: `t3.large=0.05`, in USD for an hour or a GB and month.

    Raises
    ------
    InvalidArgument
        If one is no such thing.
    """
    found = {}
    for text in texts:
        what, _, value = text.partition("=")
        try:
            found[what.strip()] = float(value)
        except ValueError:
            raise InvalidArgument(tr("wrong_price", lang, asked=text)) from None
        if not what.strip() or not 0 <= found[what.strip()] < float("inf"):
            raise InvalidArgument(tr("wrong_price", lang, asked=text))
    return found


def bill(
    wanted: Mapping[tuple[str, str], float], region: str, prices: Mapping[str, Any], own: Mapping[str, float]
) -> list[Item]:
    """Return a bill's lines.

    Parameters
    ----------
    wanted : mapping
        How much of each pair of a price's name and its unit.
    region : str
        Prices of another region do not count.
    prices : mapping
        As `read_prices` gives it.
    own : mapping
        Prices that a person gave; they go first.

    Examples
    --------
    >>> prices = {"prices": [{"what": "a", "region": "r", "unit": "hour", "usd": 0.5, "source": "page"}], "sources": {}}
    >>> [(item.what, item.month_usd) for item in bill({("a", "hour"): 2, ("b", "hour"): 1}, "r", prices, {})]
    [('a', 730.0), ('b', None)]
    >>> bill({("a", "hour"): 1}, "elsewhere", prices, {"a": 2.0})[0].month_usd
    1460.0
    """
    items = []
    for (what, unit), amount in wanted.items():
        if amount <= 0:
            continue
        found: dict[str, Any] = next(
            (each for each in prices["prices"] if each["what"] == what and each["region"] == region), {}
        )
        source = "--price" if what in own else found.get("source") or prices["sources"].get(unit, "")
        items.append(Item(what, amount, unit, own.get(what, found.get("usd")), source))
    return items
