"""Whether two samples of inputs can be told apart, by how well a straight line tells them."""

import numpy as np

from thalweg.stats.ridge import Matrix, cross_validated, linear_kernel, split, standardised

_FEWEST = 20


def shift(first: Matrix, second: Matrix) -> float:
    """Area under the ROC curve of a ridge regression that tells rows of `second` (m, d) from `first` (n, d).

    Every row is judged by a regression on the other half: 0.5 where the two are alike (Lopez-Paz & Oquab,
    *Revisiting Classifier Two-Sample Tests*, ICLR 2017). A straight line sees other means, not other
    spreads about the same mean. NaN under 20 rows of either, or without a column.
    """
    if min(len(first), len(second)) < _FEWEST:
        return np.nan
    features = standardised(np.concatenate([first, second]))
    if not features.shape[1]:
        return np.nan
    new = np.repeat([0.0, 1.0], [len(first), len(second)])
    predicted = cross_validated(linear_kernel(features), new[:, None], 0.1, folds=2)[:, 0]
    # Each half has a regression, and so an intercept, of its own.
    return float(np.mean([_area(predicted[rows], new[rows]) for rows in split(len(new), 2)]))


def _area(scores: Matrix, new: Matrix) -> float:
    """The share of pairs whose new row has the higher score; ties count as half."""
    old = np.sort(scores[new == 0.0])
    below = sum(np.searchsorted(old, scores[new == 1.0], side) for side in ("left", "right"))
    return float(np.mean(below)) / (2.0 * len(old))
