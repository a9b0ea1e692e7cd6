"""How often prediction intervals hold the score, in all and where they predict little or much."""

import numpy as np
import polars as pl

Z = 1.96  # of a 95 % interval


def coverage(actual: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, float]:
    """Return the shares of scores (n,) inside of [low, high] (coverage), below and above it, and its median width."""
    return {
        "coverage": float(np.mean((low <= actual) & (actual <= high))),
        "below": float(np.mean(actual < low)),
        "above": float(np.mean(actual > high)),
        "width_median": float(np.median(high - low)),
    }


def coverage_by_prediction(
    actual: np.ndarray, predicted: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int = 10
) -> pl.DataFrame:
    """Return a row per quantile bin of `predicted` (n,), of about equal size; equal predictions stay together.

    Columns: questions, predicted_low, predicted_high (the bin's ends), coverage, coverage_low, coverage_high (Wilson's
    95 % interval, 1927), width_median.
    """
    bounds = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:], method="inverted_cdf"))
    place, rows = np.searchsorted(bounds, predicted), []
    for bin_ in np.unique(place):
        inside = place == bin_
        found = coverage(actual[inside], low[inside], high[inside])
        ends = _wilson(found["coverage"], int(inside.sum()))
        about = {"questions": int(inside.sum()), "predicted_low": float(predicted[inside].min())}
        about |= {"predicted_high": float(predicted[inside].max()), "coverage": found["coverage"]}
        about |= dict(zip(("coverage_low", "coverage_high"), ends, strict=True))
        rows.append(about | {"width_median": found["width_median"]})
    return pl.DataFrame(rows)


def _wilson(share: float, count: int) -> tuple[float, float]:
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return float(max(0, middle - half)), float(min(1, middle + half))
