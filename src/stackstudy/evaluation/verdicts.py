"""What a paired test says of two systems; apart from the tests themselves, so that the paper is quick to load it."""

LOWER_IS_BETTER = {"ece", "rmse", "mae", "rmse_log", "pinball"}
SIGNIFICANT = 0.05


def verdict(metric: str, difference: float, p: float) -> str:
    """Return whether the first system is ``better``, ``worse`` or ``not distinguishable``.

    `difference` is its `metric` less that of the second, `p` the p value of the test after Holm's correction.
    """
    if p >= SIGNIFICANT:
        return "not distinguishable"
    return "better" if (difference > 0) != (metric in LOWER_IS_BETTER) else "worse"
