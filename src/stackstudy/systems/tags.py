"""The tag systems by name; the one table to extend with a new one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stackstudy.systems.baselines import k_nearest, linear_probe, majority, tfidf_logistic, zero_shot
from stackstudy.systems.data import Fitted, TagData
from stackstudy.systems.neural import neural
from stackstudy.systems.seq2seq import seq2seq
from stackstudy.systems.xgboost import xgboost

TagSystem = Callable[[TagData, Any, Path], Fitted]

TAG_SYSTEMS: dict[str, TagSystem] = {
    "majority": majority,
    "zero-shot": zero_shot,
    "k-nearest": k_nearest,
    "linear-probe": linear_probe,
    "tfidf-logistic": tfidf_logistic,
    "xgboost": xgboost,
    "body-mlp": neural,
    "dsf-mhsa": neural,
    "dsf-crossattn": neural,
    "sequence-dsf": neural,
    "seq2seq": seq2seq,
}
