"""Each row finds the habit that is built into its predictions, with the right sign, and nothing where there is none."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation import audit_rows
from stackstudy.evaluation.audit import LOWERS, NOTHING, RAISES, effects
from stackstudy.evaluation.audit_rows import TagTask
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.scores import TOP
from stackstudy.evaluation.tags import micro_f1_at
from stackstudy.params import TagsNeural
from stackstudy.paths import profiles_dir
from stackstudy.questions.schema import row_hash
from stackstudy.runs.profile import experiment_names, load_profile
from stackstudy.tagspace.space import TagSpace

TAGS = "abcdefgh"
AUDITED = sorted(path.stem for path in profiles_dir().glob("*.yaml") if "31-audit" in experiment_names(path.stem))


@pytest.fixture
def task(questions, labels) -> TagTask:
    tags = [[TAGS[i] for i in row.nonzero()[0]] or ["other"] for row in labels.toarray()]
    table = questions.with_columns(tags=pl.Series(tags))
    owners = pl.DataFrame({"tag": list(TAGS), "centroid": list(range(len(TAGS)))})
    return TagTask(table, TagSpace(list(TAGS), np.eye(len(TAGS), dtype=np.float32), owners, labels))


def predicted(task: TagTask, system: str = "toy", noise: float = 0.3, seeds: int = 3, **parameters) -> Predictions:
    """Probabilities around .7 for labels that are there and .3 for the others, noisy in another way for each seed."""
    rows = rows_of(task.questions, "validation", "test")
    truth = task.space.labels[rows].toarray()
    random = np.random.default_rng(1)
    values = 0.3 + 0.4 * truth + noise * random.normal(size=(seeds, *truth.shape))
    about = (system, "tags", row_hash(task.questions), rows, np.arange(seeds))
    return Predictions(*about, values.clip(0.01, 0.99), {"minimum_questions": 5, "evaluation_rows": 60} | parameters)


def judged(*rows) -> dict[str, dict]:
    return {row["defect"]: row for row in effects(rows, 500, 0).to_dicts()}


def test_a_search_among_decisions_stays_where_it_began(task):
    """Probabilities around .15 and .35 are told apart by a threshold below .5, which decisions no longer know."""
    low = predicted(task)
    low = replace(low, values=low.values / 2)
    decisions = (task.values(low, "validation")[0] >= audit_rows.UNTUNED).astype(np.float32)
    assert np.ptp(micro_f1_at(decisions, task.truth("validation"), np.linspace(0.01, 1, 100))) == 0
    assert judged(audit_rows.binarised_search(task, low, task.sums(low)))["binarised_search"]["verdict"] == LOWERS


def test_each_label_has_its_own_threshold_where_labels_have_their_own_scale(task):
    scaled = predicted(task, noise=0.05)
    scaled = replace(scaled, values=scaled.values * np.linspace(0.1, 1, len(TAGS)))
    assert judged(*audit_rows.one_threshold(task, scaled, task.sums(scaled)))["one_threshold"]["verdict"] == LOWERS
    plain = predicted(task, noise=0.05)
    rows = judged(*audit_rows.one_threshold(task, plain, task.sums(plain)))
    assert LOWERS not in (rows["one_threshold"]["verdict"], rows["one_threshold_shrunk"]["verdict"])
    assert rows["one_threshold_shrunk"]["corrected"] > rows["one_threshold"]["corrected"]


def test_one_label_a_question_misses_the_others(task):
    perfect = predicted(task, noise=0.0)
    row = judged(audit_rows.one_label(task, perfect, task.sums(perfect)))["one_label"]
    assert (row["corrected"], row["verdict"]) == (1, LOWERS)


def test_a_task_of_ones_own_flatters_who_was_made_for_it(task):
    """Always right on the majority label, and silent about the rest: perfect there, far from it on all labels."""
    made = predicted(task, noise=0.0)
    majority = task.space.labels[made.rows].toarray().argmax(axis=1)
    made = replace(made, values=np.broadcast_to(np.eye(len(TAGS))[majority], made.values.shape))
    row = judged(audit_rows.own_task(task, made, task.sums(made)))["own_task"]
    assert row["published"] == pytest.approx(1)
    assert row["verdict"] == RAISES


def test_the_head_of_a_file_counts_where_it_is_special(task):
    usual = predicted(task)
    head, some = audit_rows.file_head(usual, 0, task.sums(usual))
    assert {row["verdict"] for row in judged(head, some).values()} == {NOTHING}
    values, test = usual.values.copy(), np.isin(usual.rows, rows_of(task.questions, "test")[:60])
    values[:, test] = 0.5
    spoiled = replace(usual, values=values)
    found = judged(*audit_rows.file_head(spoiled, 0, task.sums(spoiled)))
    assert (found["file_head"]["verdict"], found["random_rows"]["verdict"]) == (LOWERS, NOTHING)


def test_without_a_habit_no_row_finds_an_effect_and_a_missing_run_is_named(task):
    found = [predicted(task, name) for name in audit_rows.EXPERIMENTS]
    rows = judged(*audit_rows.tag_rows(task, found, 0))
    switched = [*audit_rows.SWITCHES, "epoch"]
    assert {rows[name]["verdict"] for name in switched} == {NOTHING}
    assert {rows[name]["effect"] for name in switched} == {0}
    assert rows["threshold"]["effect"] >= 0, "no threshold is better on the rows on which it was chosen"
    with pytest.raises(ValueError, match="sequence-dsf-tokens: have 31-audit-body-tokens in the profile"):
        audit_rows.tag_rows(task, [each for each in found if each.system != "sequence-dsf-tokens"], 0)


@pytest.mark.parametrize("defect", audit_rows.SWITCHES)
def test_a_switch_has_the_sign_of_what_it_does(task, defect):
    better, worse = predicted(task, noise=0.2), predicted(task, noise=0.4)
    found = dict.fromkeys(audit_rows.EXPERIMENTS, worse) | {audit_rows.SWITCHES[defect][0]: better}
    named = [replace(each, system=name) for name, each in found.items()]
    assert judged(*audit_rows.tag_rows(task, named, 0))[defect]["verdict"] == RAISES


def test_a_leak_through_near_duplicates_is_found(task):
    """A system that knows most labels of a test question whose twin it was trained on."""
    plain, knowing = predicted(task, seeds=1, noise=0.4), predicted(task, seeds=1, noise=0.2)
    splits = [(task.questions, plain)] * 3
    same = judged(audit_rows.near_duplicates(splits, splits, task.space))["near_duplicates"]
    assert (same["effect"], same["verdict"], same["runs"]) == (0, NOTHING, 3)
    leak = judged(audit_rows.near_duplicates([(task.questions, knowing)] * 3, splits, task.space))["near_duplicates"]
    assert leak["verdict"] == RAISES
    assert same["corrected"] == pytest.approx(task.sums(plain)[0].point()["f1_weighted"])


def test_labels_that_the_text_does_not_bear_out_lower_f1(task):
    noisy = task.space.labels.toarray() | (np.random.default_rng(5).random(task.space.labels.shape) < 0.2)
    joined = TagTask(task.questions, replace(task.space, labels=csr_array(noisy)))
    near = predicted(task, seeds=1, noise=0.1)
    assert judged(audit_rows.orphans((joined, near), (task, near)))["orphans"]["verdict"] == LOWERS


def score_predictions(questions, system: str, values: np.ndarray) -> Predictions:
    rows = rows_of(questions, "validation", "test")
    return Predictions(system, "scores", row_hash(questions), rows, np.arange(len(values)), values[:, rows])


def test_ten_questions_decide_r2_where_they_are_all_that_is_missed(questions):
    test = rows_of(questions, "test")
    scores = questions["score"].to_numpy().astype(float)
    scores[test[:TOP]] = 5000
    table = questions.with_columns(score=pl.Series(scores))
    guess = np.where(scores < 5000, scores, 25) + np.random.default_rng(0).normal(size=(3, len(scores)))
    stopped = score_predictions(table, "dsf-mhsa", guess)
    unstopped = score_predictions(table, "dsf-mhsa-no-stopping", guess * 3)
    rows = judged(*audit_rows.score_rows([stopped, unstopped], table))
    assert rows["ten_questions"]["corrected"] > 0.95
    assert rows["ten_questions"]["published"] < 0.1
    assert rows["ten_questions"]["verdict"] == LOWERS
    with pytest.raises(ValueError, match="dsf-mhsa-no-stopping: have 22-scores-neural-dsf-mhsa-no-stopping in"):
        audit_rows.score_rows([stopped], table)


def test_r2_on_splits_is_that_of_each_split(questions):
    values = questions["score"].to_numpy() + np.random.default_rng(0).normal(size=(1, len(questions)))
    good = (questions, score_predictions(questions, "vector-ridge", values))
    found = audit_rows.values_on_splits([good, (questions, replace(good[1], values=good[1].values * 0))], "r2")
    assert found[0] > 0.99
    assert found[1] < 0


@pytest.mark.parametrize("profile", AUDITED)
def test_trainings_of_a_row_differ_in_one_parameter_in_every_profile(profile, tmp_path):
    data = tmp_path / "questions.parquet"
    data.touch()
    experiments = load_profile(profile, data).experiments
    names = audit_rows.EXPERIMENTS | audit_rows.SCORE_EXPERIMENTS
    assert {experiments[name].parameters.name for name in names.values()} == set(names)
    pairs = [*audit_rows.SWITCHES.values(), (audit_rows.CHOSEN, audit_rows.NETWORK)]
    for pair in pairs:
        first, second = (experiments[audit_rows.EXPERIMENTS[system]].parameters for system in pair)
        assert isinstance(first, TagsNeural)
        changed = {field for field in TagsNeural.model_fields if getattr(first, field) != getattr(second, field)}
        assert len(changed - {"name", "experiment"}) == 1, pair
