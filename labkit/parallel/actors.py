"""The two actors of the lab: plain classes, made remote at the edge.

On a cluster, `ray.remote(DataProcessor)` is an actor; in a test, `DataProcessor` is an object.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # Polars is for the processes that read shards, not for those that train
    from labkit.data.features import Encoder, FeatureBlock
    from labkit.data.shards import Shard
    from labkit.learning.fitting import Fit


class DataProcessor:
    """Read, clean and encode one shard at a time, of flights or of a user's own data.

    Parameters
    ----------
    encoder : Encoder
        Fitted before the shards are handed out, so that all workers encode alike.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def process_chunk(self, shard: Shard, content: bytes | None = None) -> FeatureBlock:
        """Return the shard's features, shape (n_rows, n_features), float32, with their labels.

        `content` is the shard's file where it lies on another host's disk.
        """
        from labkit.data.flights import clean
        from labkit.data.shards import read_shard

        own = self._encoder.table
        return self._encoder.transform((clean if own is None else own.clean)(read_shard(shard, content)))


@dataclasses.dataclass(frozen=True)
class Trained:
    """One fitted model and what it says of the validation rows.

    Parameters
    ----------
    key : str
        The fit's.
    model : Any
        A fitted scikit-learn estimator; None where only the outline is kept.
    probability : ndarray of float64, shape (n_valid,) or (n_valid, n_classes)
        Of being late; of more than two classes one column each.
    """

    key: str
    model: Any
    probability: np.ndarray

    def outline(self) -> Trained:
        """Return the same without the model: enough to compare what two engines did."""
        return dataclasses.replace(self, model=None)


class ModelTrainer:
    """Fit one model at a time, and try it on the validation rows.

    Parameters
    ----------
    valid : ndarray of float32, shape (n_valid, n_features)
        Features of the validation rows.
    categorical : tuple of int
        Which columns hold codes of categories.
    """

    def __init__(self, valid: np.ndarray, categorical: tuple[int, ...]) -> None:
        self._valid, self._categorical = valid, categorical

    def train_model(self, fit: Fit, block: FeatureBlock) -> Trained:
        """Return the model fitted on the block, with its probabilities on the validation rows."""
        from labkit.learning.fitting import fit_model, probabilities

        model = fit_model(fit, block, self._categorical)
        probability = np.ascontiguousarray(probabilities(model, self._valid, block.n_classes), dtype=np.float64)
        return Trained(fit.key, model, probability)
