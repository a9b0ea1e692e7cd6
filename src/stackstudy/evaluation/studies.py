"""Comparisons within the study: which pairs are tested, published against corrected, and loss against loss."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import polars as pl

from stackstudy.evaluation.tables import PER_LABEL, PUBLISHED, pair_numbers

Pair = tuple[str, str]
LOSSES = ("train_loss", "validation_loss")
SIMPLER = {"second-stage": "hybrid-kernel", "mixture": "second-stage"}  # what a system of systems is compared with
OUTCOMES = ("ahead", "level", "behind")


def leaders(catalogue: pl.DataFrame, validation: pl.DataFrame, metric: str = "f1_weighted") -> dict[str, str]:
    """Return the corrected system with the highest `metric` on validation rows: ``best``, and ``best_<family>``.

    `validation` is a table of all systems on validation rows. What the test rows say plays no part.
    """
    fair = catalogue.filter(protocol="corrected").join(validation, on="system", maintain_order="left")
    ranked = fair.sort(metric, descending=True, maintain_order=True)
    families = ranked.unique("family", keep="first", maintain_order=True)
    return {"best": ranked["system"][0]} | {
        f"best_{family}": name for name, family in families["system", "family"].rows()
    }


def planned_pairs(catalogue: pl.DataFrame, leaders: Mapping[str, str]) -> list[Pair]:
    """Return the pairs of systems that are tested: first against second, each pair once.

    Few enough that Holm's correction leaves the test its power: each corrected system against its published self; the
    best one, and the best baseline, against the other corrected ones; variants of an architecture against the plain
    one; the plain ones against each other; a trained encoder against a linear layer on the encoder as it was; kernels
    against each other; kernels and combinations against the best network, what is made of others against the next
    simpler one, and those with a threshold for each label against the same with one.
    """
    fair = catalogue.filter(protocol="corrected")
    networks = fair.filter(family="network")
    plain = networks.filter(pl.col("system") == pl.col("architecture"))["system"]
    pairs = [(name.removesuffix(PUBLISHED), name) for name in catalogue["system"] if name.endswith(PUBLISHED)]
    pairs += [(leaders["best"], other) for other in fair["system"]]
    pairs += [(other, leaders.get("best_baseline", "")) for other in fair["system"]]
    pairs += networks.select("system", "architecture").rows()
    pairs += combinations(plain, 2)
    pairs += [(name, "linear-probe") for name in fair.filter(family="finetuned")["system"]]
    kernels, combined = (fair.filter(family=family)["system"].to_list() for family in ("kernels", "combined"))
    beyond = [*kernels, *combined]
    pairs += combinations(reversed(kernels), 2)
    pairs += [(name, leaders.get("best_network", "")) for name in beyond]
    pairs += [*SIMPLER.items(), *((name, name.removesuffix(PER_LABEL)) for name in combined)]
    return _distinct(pairs, set(catalogue["system"]))


def published_against_corrected(comparisons: pl.DataFrame) -> pl.DataFrame:
    """Return one row per system that runs under both protocols: corrected minus published, from `comparisons`.

    Each metric has the columns ``<metric>``, ``_low``, ``_high`` (95 %) and ``_p`` (Holm's).
    """
    both = comparisons.filter(pl.col("second") == pl.col("first") + PUBLISHED)
    wide = both.select("first").unique(maintain_order=True).rename({"first": "system"})
    for metric in both["metric"].unique(maintain_order=True):
        ends = {"difference": metric, "low": f"{metric}_low", "high": f"{metric}_high", "p_holm": f"{metric}_p"}
        part = both.filter(metric=metric).select(pl.col("first").alias("system"), *ends).rename(ends)
        wide = wide.join(part, on="system", how="left", maintain_order="left")
    return wide


def outcomes(comparisons: pl.DataFrame, reference: str, metric: str, among: Iterable[str]) -> dict[str, int | str]:
    """Return how the systems `among` which there is a test against `reference` do: how many and which, for the text.

    Keys: ahead, level (cannot be told apart), behind, and the same with ``_names``; ``tests``.
    """
    found: dict[str, list[str]] = {name: [] for name in OUTCOMES}
    for row in comparisons.filter(metric=metric).to_dicts():
        if reference not in (row["first"], row["second"]):
            continue
        other, sign = (row["first"], 1) if row["second"] == reference else (row["second"], -1)
        if other in set(among):
            found[_outcome(row, sign)].append(other)
    counts = {name: len(systems) for name, systems in found.items()}
    return (
        counts | {f"{name}_names": listed(systems) for name, systems in found.items()} | {"tests": sum(counts.values())}
    )


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: "a, b and c", or "none"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"


def loss_study(
    losses: dict[str, str], history: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame
) -> pl.DataFrame:
    """Return one row per system of `losses` (system -> name of its loss), which differ in nothing else.

    Columns: system, loss, threshold; F1 on validation and, with intervals, on test; the mean training and validation
    loss of the best epoch and of the last (``_end``), and by what factor validation exceeds training (``gap``):
    losses have different scales, their ratios can be compared. `validation` and `test` are tables of all systems.
    """
    named = pl.DataFrame({"system": list(losses), "loss": list(losses.values())})
    chosen = validation.select("system", "threshold", *_renamed("validation_", "f1_micro", "f1_macro"))
    tested = test.select(
        "system", *(f"{name}{end}" for name in ("f1_micro", "f1_macro") for end in ("", "_low", "_high"))
    )
    table = named
    for part in (chosen, tested, _course(history)):
        table = table.join(part, on="system", how="left", maintain_order="left")
    return table


def numbers(leaders: Mapping[str, str], comparisons: pl.DataFrame, summary: pl.DataFrame) -> dict[str, Any]:
    """Return the `leaders`, the tested pairs, and how the corrected systems do against the best and best baseline."""
    fair = [name for name in summary["system"] if not name.endswith(PUBLISHED)]
    against = {
        f"against_{name}": {
            metric: outcomes(comparisons, leaders[name], metric, fair)
            for metric in comparisons["metric"].unique(maintain_order=True)
        }
        for name in ("best", "best_baseline")
        if name in leaders
    }
    return dict(leaders) | against | {"pairs": pair_numbers(comparisons)}


def conclusions(leaders: Mapping[str, str], summary: pl.DataFrame, comparisons: pl.DataFrame, metric: str) -> str:
    """Return what the tests say, as Markdown for a notebook; every word on who wins follows from the verdicts."""
    fair = [name for name in summary["system"] if not name.endswith(PUBLISHED)]
    values = dict(summary.select("system", metric).rows())
    lines = [
        f"Chosen on validation rows, the best system is **{leaders['best']}**: {values[leaders['best']]:.3f} on test."
    ]
    for title, reference in (("it", leaders["best"]), ("the best baseline", leaders.get("best_baseline"))):
        if reference:
            found = outcomes(comparisons, reference, metric, fair)
            parts = ", ".join(f"{name}: {found[f'{name}_names']}" for name in OUTCOMES)
            lines.append(f"Against {title} ({reference}), by the paired test: {parts}.")
    for row in comparisons.filter(pl.col("second") == pl.col("first") + PUBLISHED, metric=metric).to_dicts():
        bounds = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        lines.append(f"{row['first']}, corrected minus published: {row['difference']:+.3f} {bounds}, {row['verdict']}.")
    return "\n".join(f"- {line}" for line in lines)


def _course(history: pl.DataFrame) -> pl.DataFrame:
    """Return best epoch, epochs, and losses at both with their ratio, means over seeds, for each system."""
    seeds = history.sort("system", "seed", "epoch").group_by("system", "seed", maintain_order=True)
    # The first of equal maxima, as in the training.
    best = seeds.agg(pl.col("epoch", *LOSSES).get(pl.col("validation_f1_micro").arg_max()))
    last = seeds.agg(
        pl.col("epoch").last().alias("epochs"), *(pl.col(name).last().alias(f"{name}_end") for name in LOSSES)
    )
    means = (
        best.rename({"epoch": "best_epoch"}).join(last, on=("system", "seed")).group_by("system", maintain_order=True)
    )
    return means.agg(pl.exclude("seed").mean()).with_columns(
        gap=pl.col("validation_loss") / pl.col("train_loss"),
        gap_end=pl.col("validation_loss_end") / pl.col("train_loss_end"),
    )


def _renamed(prefix: str, *names: str) -> list[pl.Expr]:
    return [pl.col(name).alias(f"{prefix}{name}") for name in names]


def _outcome(row: dict, sign: int) -> str:
    if row["verdict"] not in ("better", "worse"):
        return "level"
    return "ahead" if (row["verdict"] == "better") == (sign > 0) else "behind"


def _distinct(pairs: Iterable[Pair], known: set[str]) -> list[Pair]:
    """Return the pairs of two known systems, without a pair that has occurred, also the other way round."""
    seen: dict[frozenset[str], Pair] = {}
    for pair in pairs:
        if len(set(pair) & known) == 2:
            seen.setdefault(frozenset(pair), pair)
    return list(seen.values())
