"""Typical answers to notebook 02, right and wrong, and what each is told."""

from __future__ import annotations

import pytest

import labkit
from labkit.files.folder import LabFolder
from tests.notebooks.course import answer

PRELUDE = """
import io
import numpy as np, polars as pl, ray
from labkit.data.features import Encoder
from labkit.data.flights import clean
from labkit.data.shards import read_shard

@ray.remote
def load(shard):
    return read_shard(shard).select(pl.selectors.numeric().cast(pl.Float32)).to_numpy()

@ray.remote
def missing(numbers):
    return float(np.isnan(numbers).mean())
"""


def processor(body: str) -> str:
    return f"""
class DataProcessor:
    def __init__(self, encoder):
        self.encoder, self.seen = encoder, []
    def process_chunk(self, shard):
        {body}
"""


def balance(share: str, order: str = "sorted(rows, reverse=True)") -> str:
    return f"""
def balance(rows, n):
    loads = [0] * n
    for each in {order}:
        loads[loads.index(min(loads))] += each
    return {share}
"""


def moments(body: str, end: str = "n, mean, squares / n") -> str:
    return f"""
def moments(shards, read):
    n, mean, squares, kept = 0, 0.0, 0.0, []
    for shard in shards:
        values = read(shard)
        m, delta = len(values), values.mean() - mean
        {body}
    return {end}
"""


JOIN = (
    "squares += ((values - values.mean()) ** 2).sum() + delta**2 * n * m / (n + m); mean += delta * m / (n + m); n += m"
)
RAW = "pl.read_parquet(shard.url)"
SHARE = "sum(rows) / (n * max(loads))"
LIST = "def missing_shares(shards): return "

ANSWERS = [
    ("2.1", "DataProcessor", "right", processor("return self.encoder.transform(clean(read_shard(shard)))")),
    ("2.1", "DataProcessor", "unchecked", processor(f"return self.encoder.transform(clean({RAW}))")),
    ("2.1", "DataProcessor", "fitted_anew",
     processor("rows = clean(read_shard(shard)); return Encoder.fit(rows).transform(rows)")),
    ("2.1", "DataProcessor", "no_block", processor("return clean(read_shard(shard))")),
    ("2.1", "DataProcessor", "rows",
     processor("self.seen.append(clean(read_shard(shard))); return self.encoder.transform(pl.concat(self.seen))")),
    ("2.1", "DataProcessor", "other_bits",
     processor("return self.encoder.transform(clean(read_shard(shard)).reverse())")),
    ("2.1", "DataProcessor", "raised", processor("return self.encoder.transform(read_shard(shard))")),
    ("2.1", "DataProcessor", "not_attempted", processor("...")),
    ("2.2", "balance", "right", balance(SHARE)),
    ("2.2", "balance", "list_changed", "def balance(rows, n):\n    rows.sort(reverse=True)\n    loads = [0] * n\n"
                                       "    for each in rows: loads[loads.index(min(loads))] += each\n"
                                       f"    return {SHARE}"),
    ("2.2", "balance", "order_given", balance(SHARE, "rows")),
    ("2.2", "balance", "dealt",
     "def balance(rows, n): return sum(rows) / (n * max(sum(rows[w::n]) for w in range(n)))"),
    ("2.2", "balance", "bound", "def balance(rows, n): return sum(rows) / (n * max(max(rows), sum(rows) / n))"),
    ("2.2", "balance", "a_worker_a_shard", "def balance(rows, n): return sum(rows) / len(rows) / max(rows)"),
    ("2.2", "balance", "percent", balance(f"100 * {SHARE}")),
    ("2.2", "balance", "inverted", balance(f"1 / ({SHARE})")),
    ("2.2", "balance", "wrong", balance("max(loads)")),
    ("2.2", "balance", "not_attempted", "def balance(rows, n_workers):\n    ..."),
    ("2.3", "fill", "right",
     "def fill(X, c):\n    v = X[:, c].copy()\n    v[np.isnan(v)] = np.nanmean(v)\n    return v"),
    ("2.3", "fill", "right", "def fill(X, c): return np.where(np.isnan(X[:, c]), np.nanmean(X[:, c]), X[:, c])"),
    ("2.3", "fill", "copied_all",
     "def fill(X, c):\n    X = X.copy()\n    X[np.isnan(X[:, c]), c] = np.nanmean(X[:, c])\n    return X[:, c]"),
    ("2.3", "fill", "copied_all", "def fill(X, c): return np.where(np.isnan(X), np.nanmean(X, axis=0), X)[:, c]"),
    ("2.3", "fill", "read_only", "def fill(X, c):\n    v = X[:, c]\n    v[np.isnan(v)] = np.nanmean(v)\n    return v"),
    ("2.3", "fill", "read_only",
     "def fill(X, c):\n    X.flags.writeable = True\n    X[np.isnan(X)] = 0\n    return X[:, c]"),
    ("2.3", "fill", "no_column", "def fill(X, c): return np.nan_to_num(X)"),
    ("2.3", "fill", "still_missing", "def fill(X, c): return X[:, c].copy()"),
    ("2.3", "fill", "wrong", "def fill(X, c): return np.nan_to_num(X[:, c])"),
    ("2.3", "fill", "not_attempted", "def fill(X, column):\n    ..."),
    ("2.4", "missing_shares", "right", LIST + "ray.get([missing.remote(load.remote(s)) for s in shards])"),
    ("2.4", "missing_shares", "fetched", LIST + "ray.get([missing.remote(ray.get(load.remote(s))) for s in shards])"),
    ("2.4", "missing_shares", "put_again",
     LIST + "ray.get([missing.remote(ray.put(ray.get(load.remote(s)))) for s in shards])"),
    ("2.4", "missing_shares", "get_in_a_loop", LIST + "[ray.get(missing.remote(load.remote(s))) for s in shards]"),
    ("2.4", "missing_shares", "not_two_tasks_each",
     LIST + "[float(np.isnan(read_shard(s).to_numpy()).mean()) for s in shards]"),
    ("2.4", "missing_shares", "futures", LIST + "[missing.remote(load.remote(s)) for s in shards]"),
    ("2.4", "missing_shares", "wrong", LIST + "ray.get(missing.remote(load.remote(shards[0])))"),
    ("2.4", "missing_shares", "not_attempted", "def missing_shares(shards):\n    ..."),
    ("2.5", "moments", "right", moments(JOIN)),
    ("2.5", "moments", "held", moments(f"kept.append(values); {JOIN}")),
    ("2.5", "moments", "held", "def moments(shards, read):\n    x = np.concatenate([read(s) for s in shards])\n"
                               "    return len(x), x.mean(), x.var()"),
    ("2.5", "moments", "read_again", "def moments(shards, read):\n    n = sum(len(read(s)) for s in shards)\n"
                                     "    mean = sum(read(s).sum() for s in shards) / n\n"
                                     "    return n, mean, sum(((read(s) - mean) ** 2).sum() for s in shards) / n"),
    ("2.5", "moments", "cancelled", moments("n += m; mean += values.sum(); squares += (values**2).sum()",
                                            "n, mean / n, squares / n - (mean / n) ** 2").replace(" - mean\n", "\n")),
    ("2.5", "moments", "within", moments("squares += m * values.var(); mean += delta * m / (n + m); n += m")),
    ("2.5", "moments", "mean", moments("n += m; mean += delta / 2", "n, mean, 1.0")),
    ("2.5", "moments", "number", moments("n += 1", "n, mean, 1.0")),
    ("2.5", "moments", "n_minus_1", moments(JOIN, "n, mean, squares / (n - 1)")),
    ("2.5", "moments", "wrong", moments(JOIN, "n, mean, (squares / n) ** 0.5")),
    ("2.5", "moments", "not_three", moments(JOIN, "mean, squares / n")),
    ("2.5", "moments", "not_attempted", "def moments(shards, read):\n    ..."),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(ray_cluster: LabFolder, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=ray_cluster.root)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


def test_a_message_shows_the_small_case_and_numbers_that_differ(ray_cluster: LabFolder) -> None:
    told = {"en": "returned 9.50: M divided by n − 1", "es": "devolviste 9,50: M dividido por n − 1"}
    for lang, said in told.items():
        labkit.start(home=ray_cluster.root, lang=lang)
        message = answer("2.5", "moments", moments(JOIN, "n, mean, squares / (n - 1)"), PRELUDE).message
        assert "[[1, 3], [5, 7, 9], [2]]" in message and said in message
        assert "`balance([70, 40, 70, 10, 90, 40, 80], 3)`" in answer("2.2", "balance", balance("0.5"), PRELUDE).message
