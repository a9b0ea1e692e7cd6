"""Batches of texts of like length under a budget of tokens, padding included."""

import numpy as np


def plan_batches(lengths: np.ndarray, tokens_per_batch: int) -> list[np.ndarray]:
    """Return index arrays that cover every text of `lengths` (n,) once; longest * size of each is within the budget.

    Longest first, so that a run that is short of memory fails at its start. A text over the budget has a batch of
    its own. Equal lengths keep their order, so the plan depends on nothing but the arguments.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    batches = []
    while order.size:
        longest = max(int(lengths[order[0]]), 1)
        size = max(tokens_per_batch // longest, 1)
        batches.append(order[:size])
        order = order[size:]
    return batches
