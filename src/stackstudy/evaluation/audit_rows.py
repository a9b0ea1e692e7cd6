"""The rows of the audit from predictions: one switch each, everything else as in the corrected protocol.

Tags are judged by weighted F1 at thresholds chosen on validation rows unless that is the switch, and by micro F1 where
it is: the choice maximises that. Scores are judged by R2 on the raw scale. All on the test rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from stackstudy.evaluation import scores, tags
from stackstudy.evaluation.audit import Row, values_of
from stackstudy.evaluation.bootstrap import RowSums
from stackstudy.evaluation.predictions import Predictions, check_comparable, rows_of
from stackstudy.evaluation.single_label import single_label
from stackstudy.evaluation.thresholds import shrunk_thresholds
from stackstudy.tagspace.space import TagSpace

F1, CHOSEN_BY, R2 = "f1_weighted", "f1_micro", "r2"
NETWORK, TREES, WRITER, REGRESSOR = "dsf-crossattn", "xgboost", "seq2seq", "dsf-mhsa"
CHOSEN = "dsf-crossattn-chosen-on-test"
UNTUNED = 0.5  # the threshold of those who do not search for one

# Trainings that differ in one parameter: published habit, corrected.
SWITCHES = {
    "label_count": ("dsf-crossattn-label-count", NETWORK),
    "one_key": ("dsf-crossattn-one-key", NETWORK),
    "input_mixup": (NETWORK, "dsf-crossattn-manifold"),
    "any_mixup": (NETWORK, "dsf-crossattn-no-mixup"),
    "first_tokens": ("sequence-dsf-tokens", "sequence-dsf"),
}
EXPERIMENTS = {
    "xgboost-published": "12-tags-xgboost-published",
    "xgboost": "12-tags-xgboost",
    "dsf-crossattn": "13-tags-neural-dsf-crossattn",
    "dsf-crossattn-manifold": "13-tags-neural-dsf-crossattn-manifold",
    "sequence-dsf": "13-tags-neural-sequence-dsf",
    "seq2seq": "14-tags-seq2seq",
    "dsf-crossattn-label-count": "31-audit-label-count",
    "dsf-crossattn-one-key": "31-audit-one-key",
    "dsf-crossattn-chosen-on-test": "31-audit-chosen-on-test",
    "dsf-crossattn-no-mixup": "31-audit-no-mixup",
    "sequence-dsf-tokens": "31-audit-body-tokens",
}
SCORE_EXPERIMENTS = {"dsf-mhsa": "22-scores-neural", "dsf-mhsa-no-stopping": "22-scores-neural-dsf-mhsa-no-stopping"}


Refit = tuple[pl.DataFrame, Predictions]  # the questions in another split, and what a system predicts there


@dataclass(frozen=True, eq=False)
class TagTask:
    """The questions, with their split, and the label space that says what they should get."""

    questions: pl.DataFrame
    space: TagSpace

    def truth(self, split: str) -> np.ndarray:
        """Return the labels of the rows of a split, bool (r, k)."""
        return self.space.labels[rows_of(self.questions, split)].toarray()

    def values(self, predictions: Predictions, split: str) -> np.ndarray:
        """Return what is predicted for the rows of a split, (s, r, k)."""
        return predictions.at(rows_of(self.questions, split))

    def cuts(self, predictions: Predictions, split: str = "validation") -> list[float]:
        """Return the threshold of each seed that is best on a split, whatever protocol the system was made under."""
        truth = self.truth(split)
        return [tags.choose_threshold(values, truth) for values in self.values(predictions, split)]

    def sums(self, predictions: Predictions, cuts: Sequence[float] | None = None) -> list[RowSums]:
        """Return each seed on the test rows, at the thresholds chosen on validation rows or at these."""
        cuts, truth = cuts or self.cuts(predictions), self.truth("test")
        return [
            tags.row_sums(values, truth, cut)
            for values, cut in zip(self.values(predictions, "test"), cuts, strict=True)
        ]


def tag_rows(task: TagTask, found: Iterable[Predictions], seed: int) -> list[Row]:
    """Return the rows of points 1 to 5, 7, 9 and 11; `seed` draws random rows.

    ValueError: predictions are of another question table, or those of a system that a row needs are missing; names the
    experiment that makes them.
    """
    systems = _named(found, EXPERIMENTS)
    check_comparable(list(systems.values()), "tags", task.questions)
    sums = {name: task.sums(each) for name, each in systems.items()}
    chosen, network = systems[CHOSEN], systems[NETWORK]
    on_test = {each.system: task.sums(each, task.cuts(each, "test")) for each in (chosen, network)}
    return [
        *(Row(name, pair[0], F1, *(sums[each] for each in pair)) for name, pair in SWITCHES.items()),
        Row("epoch", CHOSEN, CHOSEN_BY, sums[CHOSEN], sums[NETWORK]),
        Row("threshold", NETWORK, CHOSEN_BY, on_test[NETWORK], sums[NETWORK]),
        Row("epoch_and_threshold", CHOSEN, CHOSEN_BY, on_test[CHOSEN], sums[NETWORK]),
        binarised_search(task, network, sums[NETWORK]),
        *one_threshold(task, network, sums[NETWORK]),
        own_task(task, systems["xgboost-published"], sums["xgboost-published"]),
        one_label(task, systems[TREES], sums[TREES]),
        *file_head(systems[WRITER], seed, sums[WRITER]),
    ]


def own_task(task: TagTask, predictions: Predictions, sums: list[RowSums]) -> Row:
    """Judge the likeliest class on the questions of the single-label task, and the same probabilities on all."""
    single = single_label(task.questions, task.space, predictions.parameters["minimum_questions"])
    test, own = rows_of(task.questions, "test"), single.rows(task.questions, "test")
    true = _one_hot(single.classes[single.label[own]], len(task.space.names))
    likeliest = (single.classes[values.argmax(axis=1)] for values in predictions.at(own)[..., single.classes])
    places = np.searchsorted(test, own)
    own_sums = [_decided(_one_hot(labels, true.shape[1]), true).among(places, test.size) for labels in likeliest]
    return Row("own_task", predictions.system, F1, own_sums, sums)


def one_label(task: TagTask, predictions: Predictions, sums: list[RowSums]) -> Row:
    """Give every question its likeliest label alone, or all labels above the threshold."""
    truth, values = task.truth("test"), task.values(predictions, "test")
    likeliest = [_decided(_one_hot(each.argmax(axis=1), truth.shape[1]), truth) for each in values]
    return Row("one_label", predictions.system, F1, likeliest, sums)


def binarised_search(task: TagTask, predictions: Predictions, sums: list[RowSums]) -> Row:
    """Search for the threshold among decisions at .5, as published: each from 0 to 1 leaves them as they are."""
    stays = task.sums(predictions, [UNTUNED] * predictions.seeds.size)
    return Row("binarised_search", predictions.system, CHOSEN_BY, stays, sums)


def one_threshold(task: TagTask, predictions: Predictions, sums: list[RowSums]) -> list[Row]:
    """Decide by one threshold for all labels, or by one for each, which validation rows choose too.

    Those of labels are the best of each, or `shrunk_thresholds`.
    """
    truth, validation = task.truth("test"), task.truth("validation")
    seeds = list(zip(task.values(predictions, "validation"), task.values(predictions, "test"), strict=True))
    rules = {"one_threshold": choose_thresholds, "one_threshold_shrunk": shrunk_thresholds}
    return [
        Row(defect, predictions.system, F1, sums, [_decided(test >= rule(v, validation), truth) for v, test in seeds])
        for defect, rule in rules.items()
    ]


def file_head(predictions: Predictions, seed: int, sums: list[RowSums]) -> list[Row]:
    """Judge a system on the first test rows of the file, or as many random ones, and on all.

    As many as the course of its training was judged on.
    """
    rows = sums[0].rows
    count = min(predictions.parameters["evaluation_rows"], rows)
    some = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    return [
        Row(defect, predictions.system, F1, [each.take(places).among(places, rows) for each in sums], sums)
        for defect, places in (("file_head", np.arange(count)), ("random_rows", some))
    ]


def near_duplicates(apart: Sequence[Refit], together: Sequence[Refit], space: TagSpace) -> Row:
    """Compare splits by question with splits by group, as pairs of the same random split.

    Resampled are all questions, since each split has other test rows.
    """
    sides = [[_on_all_rows(TagTask(questions, space), each) for questions, each in side] for side in (apart, together)]
    return Row("near_duplicates", apart[0][1].system, F1, *sides)


def orphans(joined: tuple[TagTask, Predictions], near: tuple[TagTask, Predictions]) -> Row:
    """Compare a system on labels that all rare tags are part of with the same on labels without the far ones."""
    return Row("orphans", near[1].system, F1, *(task.sums(predictions) for task, predictions in (joined, near)))


def score_rows(found: Iterable[Predictions], questions: pl.DataFrame) -> list[Row]:
    """Return the rows of point 6. ValueError: as `tag_rows`."""
    systems = _named(found, SCORE_EXPERIMENTS)
    check_comparable(list(systems.values()), "scores", questions)
    stopped, unstopped = (score_sums(systems[name], questions) for name in (REGRESSOR, "dsf-mhsa-no-stopping"))
    actual = questions["score"].to_numpy()[rows_of(questions, "test")]
    rest = np.sort(np.argsort(-actual, kind="stable")[scores.TOP :])
    without = [each.take(rest).among(rest, each.rows) for each in stopped]
    return [
        Row("ten_questions", REGRESSOR, R2, stopped, without),
        Row("no_stopping", "dsf-mhsa-no-stopping", R2, unstopped, stopped),
    ]


def score_sums(predictions: Predictions, questions: pl.DataFrame) -> list[RowSums]:
    """Return each seed of a score system on the test rows."""
    test = rows_of(questions, "test")
    actual = questions["score"].to_numpy()[test]
    return [scores.row_sums(actual, values) for values in predictions.at(test)]


def values_on_splits(refits: Sequence[Refit], metric: str) -> np.ndarray:
    """Return a metric of a score system on the test rows of each split, (splits,)."""
    return values_of([score_sums(predictions, questions)[0] for questions, predictions in refits], metric)


def choose_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each label the threshold with its highest F1, float32 (k,)."""
    columns = zip(probabilities.T[..., None], labels.T[..., None], strict=True)
    return np.array([tags.choose_threshold(*column) for column in columns], np.float32)


def _named(found: Iterable[Predictions], experiments: Mapping[str, str]) -> dict[str, Predictions]:
    """Return the predictions that the rows need, by system."""
    systems = {each.system: each for each in found if each.system in experiments}
    if missing := [name for name in experiments if name not in systems]:
        names = ", ".join(experiments[name] for name in missing)
        raise ValueError(f"the audit needs predictions of {', '.join(missing)}: have {names} in the profile and run it")
    return systems


def _one_hot(labels: np.ndarray, count: int) -> np.ndarray:
    """Return bool (n, count) for the label of each row (n,)."""
    return labels[:, None] == np.arange(count)


def _decided(decisions: np.ndarray, truth: np.ndarray) -> RowSums:
    """Return what F1 needs of decisions, bool (n, k); metrics of probabilities mean nothing here."""
    return tags.row_sums(decisions.astype(np.float32), truth, UNTUNED)


def _on_all_rows(task: TagTask, predictions: Predictions) -> RowSums:
    (sums,) = task.sums(predictions)
    return sums.among(rows_of(task.questions, "test"), len(task.questions))
