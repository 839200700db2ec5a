"""Checks of notebook 11: numbers of a report come from records, whatever the records hold."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from labkit.classroom.exercises import NotYet
from labkit.runner import ROOT
from report.words import faults

HOSTS = {"a": ["h1"], "b": ["h2"], "c": ["h1"], "d": ["h1", "h2"], "e": ["h2", "h1"], "f": ["h1"]}
DATA = {"a": "x", "b": "x", "c": "x", "d": "x", "e": "x", "f": "y"}
_LEAST_WORDS = 20


def _partition(groups: Any) -> set[frozenset[str]]:
    return {frozenset(group) for group in groups}


def check_1(groups: Any) -> None:
    """Check that neither hosts nor data are merged, and that the order of hosts and records means nothing."""
    records = [
        {"id": name, "fingerprints": [{"digest": host} for host in hosts], "data_digest": DATA[name]}
        for name, hosts in HOSTS.items()
    ]
    given = copy.deepcopy(records)
    found = groups(given)
    if not isinstance(found, list) or any(not isinstance(group, list | tuple) for group in found):
        raise NotYet("no_lists")
    if any(not isinstance(name, str) for group in found for name in group):
        raise NotYet("no_ids")
    seen = sorted(name for group in found for name in group)
    if seen != sorted(HOSTS):
        raise NotYet("not_each_once", n=len(HOSTS), seen=", ".join(seen))
    known = {
        "hosts_merged": [{"a", "b", "c", "d", "e"}, {"f"}],
        "data_merged": [{"a", "c", "f"}, {"b"}, {"d", "e"}],
        "first_host_only": [{"a", "c", "d"}, {"b", "e"}, {"f"}],
        "order_of_hosts": [{"a", "c"}, {"b"}, {"d"}, {"e"}, {"f"}],
        "neighbours_only": [{"a"}, {"b"}, {"c"}, {"d", "e"}, {"f"}],
    }
    if _partition(found) != _partition([{"a", "c"}, {"b"}, {"d", "e"}, {"f"}]):
        near = [reason for reason, partition in known.items() if _partition(partition) == _partition(found)]
        raise NotYet(near[0] if near else "wrong", groups="; ".join(", ".join(group) for group in found))
    if given != records:
        raise NotYet("changed")


def check_2(lessons: Any) -> None:
    """Check that run and speedup are the record's, also of a record that the student has not seen."""
    path = sorted((ROOT / "notebooks" / "reference_runs").glob("*.json"))[0]
    record = json.loads(path.read_text("utf-8"))
    other = copy.deepcopy(record)
    [engine] = list(other["results"]["tables"])[:1]
    other["id"] = "20301231-235959-beef"
    for row in other["results"]["tables"][engine]:
        row["speedup"] *= 1.37
    said = []
    for each in (record, other):
        text = lessons(copy.deepcopy(each))
        if not isinstance(text, str):
            raise NotYet("no_text")
        text = re.sub(r"<!--.*?-->", lambda note: "\n" * note[0].count("\n"), text, flags=re.DOTALL)  # as a build does
        for line, _ in faults(text):
            raise NotYet("broken", line=line)
        if (n_words := len(re.findall(r"[^\W\d_]{2,}", text))) < _LEAST_WORDS:
            raise NotYet("too_short", n=n_words, right=_LEAST_WORDS)
        said.append(text)
    for text, each in zip(said, (record, other), strict=True):
        rows = each["results"]["tables"][engine]
        last = max(rows, key=lambda row: row["n_workers"])
        seen = {float(f"{whole}.{part}") for whole, part in re.findall(r"(?<![\d.,])(\d+)[.,](\d{2})(?!\d)", text)}
        case = {"run": each["id"], "n": last["n_workers"], "right": round(last["speedup"], 2)}
        if each["id"] not in text:
            raise NotYet("run_typed" if text is said[1] else "no_run", **case)
        if round(last["speedup"], 2) not in seen:
            if text is said[1]:
                raise NotYet("number_typed", **case)
            best = round(max(row["speedup"] for row in rows), 2)
            raise NotYet("the_best" if best in seen else "no_number", **case)


def check_3(differing: Any) -> None:
    """Check that all differences are found, rounding is none, and what leads nowhere is one."""
    record = {"rounds": 6, "rows": [{"speedup": 0.978}, {"speedup": 1.7508, "seconds": 18.2678}]}
    entries = [
        {"of": ["rows", 1, "speedup"], "digits": 2, "shown": "1.75"},
        {"of": ["rows", 1, "seconds"], "digits": 1, "shown": "18.3"},
        {"of": ["rounds"], "digits": 0, "shown": "6"},
        {"of": ["rows", 0, "speedup"], "digits": 2, "shown": "1.98"},
        {"of": ["rows", 1, "speedup"], "digits": 3, "shown": "1.750"},
        {"of": ["rows", 2, "speedup"], "digits": 2, "shown": "3.40"},
        {"of": ["rows", 1, "efficiency"], "digits": 2, "shown": "0.88"},
    ]
    before = copy.deepcopy((entries, record))
    try:
        found = differing(entries, record)
    except LookupError:
        raise NotYet("leads_nowhere") from None
    if not isinstance(found, list) or any(isinstance(place, bool) or not isinstance(place, int) for place in found):
        raise NotYet("no_places")
    right = [3, 4, 5, 6]
    case = {"places": str(found), "right": str(right)}
    if (entries, record) != before:
        raise NotYet("changed")
    if sorted(found) != right:
        known = {
            (0, 1, 3, 4, 5, 6): "rounding", (3,): "first_only", (3, 5, 6): "too_lenient", (3, 4): "trusts_nowhere",
            (0, 1, 2): "the_others",
        }  # fmt: skip
        raise NotYet(known.get(tuple(sorted(found)), "wrong"), **case)
