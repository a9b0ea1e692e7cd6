"""The score systems of notebooks 21 and 23 by name; the tables to extend with a new one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from stackstudy.systems import beyond_scores, linear_scores, tree_scores
from stackstudy.systems.data import Data, Fitted

ScoreSystem = Callable[[Data, Any, Path], Fitted]

# In an order in which those that share terms or components follow each other.
TRADITIONAL: dict[str, ScoreSystem] = {
    "mean": linear_scores.mean,
    "mean-log": linear_scores.mean_log,
    "bow-ridge": linear_scores.bow_ridge,
    "tfidf-stem-ridge": linear_scores.tfidf_stem_ridge,
    "tfidf-ridge": linear_scores.tfidf_ridge,
    "log-linear-svr": linear_scores.log_linear_svr,
    "log-sgd": linear_scores.log_sgd,
    "boosting": tree_scores.boosting,
    "tfidf-svd-ridge": linear_scores.tfidf_svd_ridge,
}
BEYOND: dict[str, ScoreSystem] = {
    "controls": partial(tree_scores.control, log=False),
    "controls-log": partial(tree_scores.control, log=True),
    "xgboost": partial(tree_scores.xgboost, log=False),
    "xgboost-log": partial(tree_scores.xgboost, log=True),
    "xgboost-controls": partial(tree_scores.xgboost_controls, log=False),
    "xgboost-controls-log": partial(tree_scores.xgboost_controls, log=True),
    "quantile": beyond_scores.quantile,
    "two-part": beyond_scores.two_part,
    "ordinal": beyond_scores.ordinal,
}
