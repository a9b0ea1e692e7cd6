"""Comparisons among score systems: who leads, which pairs are tested, early stopping, and what text adds."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stackstudy.evaluation.catalogue import courses
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.score_tables import FLOORS, METRICS, RAW, role
from stackstudy.evaluation.strata import strata_of
from stackstudy.evaluation.studies import OUTCOMES, Pair, listed, outcomes
from stackstudy.evaluation.tables import PAIR, pair_numbers
from stackstudy.evaluation.tables import numbers as table_numbers

FAMILIES = {"traditional": "21-*", "network": "22-*", "beyond": "23-*", "stacked": "24-*"}  # by the experiment's name
UNSTOPPED = "-no-stopping"  # ends the name of a network that trains all its epochs and keeps the last
TARGETS = ("-log", "-median")  # end the name of a network that learns another target than the raw score
COURSE = ("seed", "epoch", "train_loss", "validation_loss", "validation_rmse")

# What is added to what: the system with it, and the one without.
TEXT_STUDY = {
    "text, to nothing": ("xgboost", "mean"),
    "age and sample, to nothing": ("controls", "mean"),
    "text, to age and sample": ("xgboost-controls", "controls"),
    "age and sample, to text": ("xgboost-controls", "xgboost"),
}  # judged by ranks or on the log scale: their -log variants
PLAIN_PAIRS = (
    ("tfidf-ridge", "bow-ridge"),
    ("tfidf-stem-ridge", "tfidf-ridge"),
    ("tfidf-svd-ridge", "tfidf-ridge"),
    ("boosting", "tfidf-svd-ridge"),
    ("body-mlp", "title-mlp"),
    ("dsf-crossattn", "body-mlp"),
    ("dsf-mhsa", "body-mlp"),
    ("dsf-mhsa", "dsf-crossattn"),
    ("two-part", "xgboost"),
    ("quantile", "xgboost-log"),
    ("ordinal", "xgboost-log"),
    ("two-stage-log", "xgboost-log"),
    ("stacked-log", "two-stage-log"),
    ("stacked-log", "xgboost-log"),
    ("stacked-log", "dsf-mhsa"),
    ("stacked-log", "dsf-mhsa-log"),
    ("stacked-controls-log", "xgboost-controls-log"),
    ("stacked-controls-log", "controls-log"),
)


def may_lead(systems: Iterable[str]) -> list[str]:
    """Return the systems that read text alone and stop early where they can: only these can be called the best."""
    return [name for name in systems if role(name) == "text" and not name.endswith(UNSTOPPED)]


def leaders(catalogue: pl.DataFrame, validation: pl.DataFrame) -> dict[str, str]:
    """Return who is best on validation rows among those that `may_lead`.

    By R2 on the raw scale and on the log scale (``best_raw``, ``best_log``), by rank (``best_rank``; within strata if
    there are some), and of each family by R2 on the log scale (``best_<family>``). `validation` is a table of all
    systems on validation rows. What the test rows say plays no part. ValueError: no system reads text alone.
    """
    fair = catalogue.select("system", "family").join(validation, on="system", maintain_order="left")
    fair = fair.filter(pl.col("system").is_in(may_lead(fair["system"])))
    if fair.is_empty():
        raise ValueError("no score system that reads text alone: none can be called the best")
    rank = "spearman_within" if "spearman_within" in fair.columns else "spearman"
    named = {"best_raw": _first(fair, "r2"), "best_log": _first(fair, "r2_log"), "best_rank": _first(fair, rank)}
    families = fair.partition_by("family", maintain_order=True, as_dict=True)
    return named | {f"best_{family}": _first(part, "r2_log") for (family,), part in families.items()}


def planned_pairs(systems: Sequence[str], leaders: Mapping[str, str]) -> list[Pair]:
    """Return the pairs that are tested: first against second, each once, and few, so that Holm's correction stays mild.

    Every system that reads text alone against the floors; the leader on the log scale against the other leaders and the
    controls; what text adds; a network against itself without early stopping, and with other targets; steps of the
    ladder.
    """
    pairs = [(name, floor) for floor in FLOORS for name in may_lead(systems)]
    pairs += [(leaders["best_log"], other) for other in (*leaders.values(), "controls", "controls-log")]
    pairs += [_logged(pair) if log else pair for log in (False, True) for pair in TEXT_STUDY.values()]
    pairs += [(name.removesuffix(UNSTOPPED), name) for name in systems if name.endswith(UNSTOPPED)]
    pairs += [(name, name.removesuffix(end)) for end in TARGETS for name in systems if name.endswith(end)]
    pairs += PLAIN_PAIRS
    known = {frozenset(pair): pair for pair in reversed(pairs) if len(set(pair) & set(systems)) == 2}
    return list(reversed(known.values()))


def class_pairs(systems: Iterable[str], leaders: Mapping[str, str]) -> list[Pair]:
    """Return the pairs that are tested on the named classes: the ordinal system against systems that predict scores."""
    others = dict.fromkeys((*FLOORS, "xgboost-log", leaders["best_log"]))
    return [("ordinal", other) for other in others if other in systems and other != "ordinal"]


def text_study(comparisons: pl.DataFrame) -> pl.DataFrame:
    """Return what text and controls add to each other: one row per line of `TEXT_STUDY` and metric, from the tests.

    Columns: added, then those of the comparisons. A correlation is undefined against a floor, which ranks nothing.
    """
    parts = []
    for added, pair in TEXT_STUDY.items():
        raw = pl.col("metric").is_in(RAW)
        for rule, (first, second) in ((raw, pair), (~raw, _logged(pair))):
            rows = comparisons.filter(rule, first=first, second=second)
            parts.append(rows.select(pl.lit(added).alias("added"), *PAIR))
    return pl.concat(parts)


def wide(study: pl.DataFrame) -> pl.DataFrame:
    """Return `text_study` with one row a line: added, and each metric with ``_low`` and ``_high``."""
    table = study.select("added").unique(maintain_order=True)
    for metric in study["metric"].unique(maintain_order=True):
        ends = {"difference": metric, "low": f"{metric}_low", "high": f"{metric}_high"}
        part = study.filter(metric=metric).select("added", *ends).rename(ends)
        table = table.join(part, on="added", how="left", maintain_order="left")
    return table


def histories(predictions: Iterable[Predictions], folders: Sequence[Path]) -> pl.DataFrame:
    """Return the courses of all networks: system, and the columns `COURSE`. Empty: no system trained in epochs."""
    parts = [course.drop("architecture") for course in courses(predictions, folders, COURSE)]
    return pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame(schema=["system", *COURSE])


def early_stopping(history: pl.DataFrame) -> pl.DataFrame:
    """Return what training on costs: one row per network that runs with early stopping and without.

    Columns: system; ``stopped`` (epochs run with it), ``epochs`` (without); ``best_epoch`` and ``best_rmse`` of the
    run without, its ``last_rmse``, and by how much that is worse: ``degradation`` (votes) and ``degradation_share`` of
    the best; all on validation rows, means over seeds, with the standard deviation of the degradation.
    """
    unstopped = [name for name in history["system"].unique().sort() if name.endswith(UNSTOPPED)]
    both = [name for name in unstopped if name.removesuffix(UNSTOPPED) in history["system"]]
    return pl.DataFrame([_stopping(history, name) for name in both], strict=False)


def folder_of(system: str, predictions: Mapping[str, Predictions], folders: Mapping[str, Sequence[Path]]) -> Path:
    """Return the folder of the run that made the predictions of a system. ValueError: there are none."""
    if system not in predictions:
        raise ValueError(f"no predictions of {system}: run the experiment that makes them")
    experiment = predictions[system].parameters["experiment"]
    return next(folder for group in folders.values() for folder in group if folder.name == experiment)


def numbers(
    leaders: Mapping[str, str], comparisons: pl.DataFrame, summary: pl.DataFrame, questions: pl.DataFrame
) -> dict[str, Any]:
    """Return what the chapter names: leaders, tests, every metric of every system, and how the rest does against some.

    ``strata`` is there only where the test questions come from several.
    """
    test = rows_of(questions, "test")
    strata = strata_of(questions, test)
    tested = [metric for metric in METRICS if metric in summary.columns]
    sides = {"best": leaders["best_log"], "mean": FLOORS[0], "mean_log": FLOORS[1]}
    fair = may_lead(summary["system"])
    return {
        **leaders,
        **table_numbers(summary),
        "systems": len(summary),
        "texts": len(fair),
        "test": int(test.size),
        "pairs": pair_numbers(comparisons),
        **{
            f"against_{side}": {metric: outcomes(comparisons, system, metric, fair) for metric in tested}
            for side, system in sides.items()
        },
        **({} if strata is None else _strata_numbers(strata)),
    }


def _strata_numbers(strata: pl.Series) -> dict[str, Any]:
    names = strata.unique().sort().to_list()
    return {"strata": len(names), "strata_names": listed([f"`{name}`" for name in names])}


def conclusions(leaders: Mapping[str, str], comparisons: pl.DataFrame, summary: pl.DataFrame) -> str:
    """Return what the tests say, as Markdown for a notebook; every word on who wins follows from the verdicts."""
    fair, best = may_lead(summary["system"]), leaders["best_log"]
    lines = [f"Best on validation: {', '.join(f'{what[5:]} {system}' for what, system in leaders.items())}."]
    for metric in (name for name in METRICS if name in summary.columns):
        for title, reference in (*((f"the {floor}", floor) for floor in FLOORS), (best, best)):
            found = outcomes(comparisons, reference, metric, fair)
            if found["tests"]:
                parts = ", ".join(f"{name}: {found[f'{name}_names']}" for name in OUTCOMES)
                lines.append(f"By {metric} against {title}: {parts}.")
    for row in text_study(comparisons).drop_nulls("p_holm").to_dicts():
        bounds = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        lines.append(f"{row['added']}: {row['metric']} {bounds}, {row['verdict']}.")
    return "\n".join(f"- {line}" for line in lines)


def study_numbers(stopping: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return `early_stopping` as metrics of a run: system (with underscores) -> column -> value."""
    rows = (dict(row) for row in stopping.to_dicts())
    return {row.pop("system").replace("-", "_"): {k: v for k, v in row.items() if v is not None} for row in rows}


def _stopping(history: pl.DataFrame, unstopped: str) -> dict[str, str | float | None]:
    system = unstopped.removesuffix(UNSTOPPED)
    runs = history.filter(system=unstopped).sort("seed", "epoch").partition_by("seed", maintain_order=True)
    stopped = history.filter(system=system).group_by("seed").agg(pl.col("epoch").max())["epoch"]
    errors = [run["validation_rmse"].to_numpy() for run in runs]
    best, last = np.array([e.min() for e in errors]), np.array([e[-1] for e in errors])
    return {
        "system": system,
        "stopped": float(stopped.mean()),
        "epochs": float(np.mean([len(run) for run in runs])),
        "best_epoch": float(np.mean([run["epoch"][int(e.argmin())] for run, e in zip(runs, errors, strict=True)])),
        "best_rmse": float(best.mean()),
        "last_rmse": float(last.mean()),
        "degradation": float((last - best).mean()),
        "degradation_std": float((last - best).std(ddof=1)) if len(runs) > 1 else None,
        "degradation_share": float((last / best - 1).mean()),
    }


def _logged(pair: Pair) -> Pair:
    return f"{pair[0]}-log", f"{pair[1]}-log"


def _first(systems: pl.DataFrame, metric: str) -> str:
    """Return the system with the highest `metric`; the first of equals."""
    return systems.sort(metric, descending=True, nulls_last=True, maintain_order=True)["system"][0]
