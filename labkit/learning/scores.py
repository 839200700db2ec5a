"""How good predicted probabilities are."""

from __future__ import annotations

import dataclasses

import numpy as np

from labkit.errors import InvalidArgument, InvalidData


@dataclasses.dataclass(frozen=True)
class Scores:
    """Four views of the same predictions; of more than two classes each is looked at against all others.

    Parameters
    ----------
    roc_auc : float
        Chance that a late flight is ranked above a punctual one: 0.5 is guessing, 1 is perfect. Of more than two
        classes the mean over those that occur, one against the rest, however rare each is (macro).
    pr_auc : float
        Average precision: the share of late flights is guessing, 1 is perfect. Of more than two classes the mean over
        those that occur (macro).
    brier : float
        Mean squared error of the probability: 0 is perfect, 1 the worst. Of more than two classes Brier's own sum over
        all classes: 2 is the worst.
    log_loss : float
        Mean negative log-likelihood of what happened, in nats: 0 is perfect.
    """

    roc_auc: float
    pr_auc: float
    brier: float
    log_loss: float


def score(y: np.ndarray, probability: np.ndarray) -> Scores:
    """Compare probabilities with what happened.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        Numbers of classes, from 0 on; two or more must occur. Of flights 1 is late, 0 is not.
    probability : ndarray of float64, shape (n_rows,) or (n_rows, n_classes)
        Of being late, 0–1; of more than two classes one column each.

    Raises
    ------
    InvalidData
        If all rows are of one class.
    InvalidArgument
        If the lengths differ or a probability lies outside 0–1.

    References
    ----------
    .. [1] Brier (1950), "Verification of forecasts expressed in terms of probability", Mon. Weather Rev. 78(1).
       doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    .. [2] Fawcett (2006), "An introduction to ROC analysis", Pattern Recognit. Lett. 27(8).
       doi:10.1016/j.patrec.2005.10.010

    Examples
    --------
    >>> score(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).roc_auc
    0.75
    """
    _check(y, probability)
    occurring = np.unique(y)
    if len(occurring) < 2:
        raise InvalidData(f"Scores need rows of two classes, late and punctual for one; got {len(y):,} of one only.")
    from sklearn import metrics

    if probability.ndim == 2:
        one_hot = np.eye(probability.shape[1])[y]
        pairs = [(one_hot[:, found], probability[:, found]) for found in occurring]
        return Scores(
            roc_auc=float(np.mean([metrics.roc_auc_score(*pair) for pair in pairs])),
            pr_auc=float(np.mean([metrics.average_precision_score(*pair) for pair in pairs])),
            brier=float(((probability - one_hot) ** 2).sum(axis=1).mean()),
            log_loss=float(-np.log(np.maximum(probability[np.arange(len(y)), y], np.finfo(float).eps)).mean()),
        )
    return Scores(
        roc_auc=float(metrics.roc_auc_score(y, probability)),
        pr_auc=float(metrics.average_precision_score(y, probability)),
        brier=float(metrics.brier_score_loss(y, probability)),
        log_loss=float(metrics.log_loss(y, probability)),
    )


def calibration_curve(y: np.ndarray, probability: np.ndarray, n_bins: int = 10) -> list[tuple[float, float, int]]:
    """Tell how often flights were late, by what was predicted for them.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        1 is late, 0 is not.
    probability : ndarray of float64, shape (n_rows,)
        Of being late, 0–1.
    n_bins : int
        Bins of equal width, at least 1.

    Returns
    -------
    list of (float, float, int)
        Mean predicted probability, observed share of late flights, number of flights; empty bins are left out.

    Raises
    ------
    InvalidArgument
        If the lengths differ, a probability lies outside 0–1 or there is no bin.

    Examples
    --------
    >>> calibration_curve(np.array([0, 1, 1]), np.array([0.25, 0.25, 1.0]), n_bins=2)
    [(0.25, 0.5, 2), (1.0, 1.0, 1)]
    """
    _check(y, probability)
    if probability.ndim == 2:
        raise InvalidArgument("A calibration curve is of one class: give the column of its probabilities.")
    if n_bins < 1:
        raise InvalidArgument(f"A calibration curve needs at least 1 bin, not {n_bins}.")
    bins = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    inside = [bins == index for index in range(n_bins)]
    return [(float(probability[rows].mean()), float(y[rows].mean()), int(rows.sum())) for rows in inside if rows.any()]


def _check(y: np.ndarray, probability: np.ndarray) -> None:
    if y.ndim != 1 or probability.ndim > 2 or len(y) != len(probability) or probability.shape[1:] == (1,):
        raise InvalidArgument(f"Each row needs one label and one probability, got {y.shape} and {probability.shape}.")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InvalidArgument("A probability lies from 0 to 1; at least one of these does not, or is missing.")
