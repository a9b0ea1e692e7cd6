from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from scipy.sparse import csr_array
from transformers import ByT5Tokenizer, T5Config, T5ForConditionalGeneration

from stackstudy.evaluation.tables import tag_systems
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.models import seq2seq_training as training
from stackstudy.models.seq2seq import Seq2seq, Written
from stackstudy.params import TagsSeq2seq
from stackstudy.systems import seq2seq as system
from stackstudy.systems.data import TagData
from stackstudy.systems.saved import load_system
from stackstudy.tagspace.space import TagSpace

TAGS = ("c++", "c#", "asp.net-web-api", ".net", "python", "java")
LABELS = ("c", "net", "other")  # two tags each, in order


@pytest.fixture(scope="module")
def data() -> TagData:
    """48 questions whose title names their two tags; the body is there to make lengths differ."""
    random = np.random.default_rng(0)
    pairs = [random.choice(6, 2, replace=False).tolist() for _ in range(48)]
    tags = [[TAGS[place] for place in pair] for pair in pairs]
    questions = pl.DataFrame(
        {
            "question_id": np.arange(48),
            "site": "planted",
            "title": [" and ".join(each) for each in tags],
            "body": ["x" * int(length) for length in random.integers(0, 12, 48)],
            "tags": tags,
            "stratum": None,
            "split": ["train"] * 32 + ["validation"] * 8 + ["test"] * 8,
        },
        schema_overrides={"stratum": pl.String},
    )
    labels = np.zeros((48, 3), dtype=bool)
    for row, pair in zip(labels, pairs, strict=True):
        row[[place // 2 for place in pair]] = True
    owner = pl.Series([0, 0, 1, 1, 2, 2], dtype=pl.Int32)
    frame = pl.DataFrame({"tag": TAGS, "count": [9, 9, 9, 9, 9, 9], "centroid": owner})
    return TagData(questions, space=TagSpace(list(LABELS), np.eye(3, dtype=np.float32), frame, csr_array(labels)))


@pytest.fixture(scope="module")
def t5(tmp_path_factory) -> str:
    """Folder of a tiny T5 with random weights that reads and writes bytes."""
    folder = tmp_path_factory.mktemp("t5")
    torch.manual_seed(0)
    sizes = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "vocab_size": 384}
    T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0)).save_pretrained(folder)
    ByT5Tokenizer().save_pretrained(folder)
    return str(folder)


def parameters(checkpoint: str, **changes) -> TagsSeq2seq:
    fields = {"profile": "smoke", "experiment": "14-tags-seq2seq", "name": "seq2seq", "checkpoint": checkpoint}
    fields |= {"input_tokens": 64, "output_tokens": 10, "learning_rate": 3e-3, "label_smoothing": 0.1, "beams": 2}
    fields |= {"batch_size": 8, "effective_batch_size": 16, "max_steps": 6, "evaluate_every": 2, "evaluation_rows": 5}
    return TagsSeq2seq(**fields | {"seeds": (0,), "device": "cpu"} | changes)


def fit(data, folder, checkpoint, **changes):
    return system.seq2seq(data, parameters(checkpoint, **changes), folder)


@pytest.fixture(scope="module")
def learned(data, t5, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    return folder, fit(data, folder, t5, output_tokens=32, max_steps=120, evaluate_every=40, evaluation_rows=8)


def test_it_learns_to_copy_tags_from_the_title(data, learned):
    folder, fitted = learned
    point = tag_systems([fitted.predictions], data.questions, data.space.labels)["seq2seq"][0].point()
    truth = data.labels(data.rows("test"))
    everything = 2 * truth.mean() / (1 + truth.mean())
    assert point["f1_micro"] > 0.93 > everything + 0.1
    numbers = system.text_numbers(pl.read_parquet(folder / "texts.parquet"), data.questions, TAGS)
    assert numbers["exact_match"] > 0.5
    assert numbers["raw_f1_micro"] > 0.8


def test_a_minilm_pair_learns_16_questions_by_heart(data, tmp_path):
    few = data.questions.with_columns(pl.Series("split", ["train"] * 16 + ["validation"] * 16 + ["test"] * 16))
    few = pl.concat([few[:16], few[:16], few[:16]]).with_columns(question_id=np.arange(48), split=few["split"])
    labels = csr_array(np.tile(data.labels()[:16], (3, 1)))
    same = TagData(few, space=TagSpace(data.space.names, data.space.centroids, data.space.tags, labels))
    changes = {"learning_rate": 3e-3, "max_steps": 20, "evaluate_every": 20, "evaluation_rows": 16, "beams": 1}
    fitted = fit(same, tmp_path, "minilm", input_tokens=24, output_tokens=32, **changes)
    assert fitted.size < Seq2seq.load(tmp_path / "model" / "seed-0").model.num_parameters(), (
        "the encoder is not trained"
    )
    assert fitted.history["validation_f1_micro"][-1] > 0.9


def test_history_has_a_row_per_seed_and_evaluation(data, t5, tmp_path):
    history = fit(data, tmp_path, t5, seeds=(0, 3)).history
    assert history.columns == ["seed", "step", "train_loss", "validation_loss", "validation_f1_micro"]
    assert history["step"].to_list() == [2, 4, 6] * 2
    assert history["seed"].to_list() == [0] * 3 + [3] * 3
    assert history.null_count().sum_horizontal().item() == 0


def test_predictions_are_shares_of_the_beams(data, learned):
    folder, fitted = learned
    values, writer = fitted.predictions.values[0], Seq2seq.load(folder / "model" / "seed-0")
    assert ((values > 0.001) & (values < 0.999)).any()
    written = writer.write(system.prompts_of(data.questions[data.rows("validation", "test")]), 2)
    np.testing.assert_allclose(system.label_shares(writer, written), values, atol=1e-5)


def test_saved_it_predicts_the_same_whatever_stands_beside_a_question(data, learned):
    folder, fitted = learned
    saved, rows = load_system(folder / "model", "seq2seq"), fitted.predictions.rows[::-1]
    for other, places in ((data, rows), (data.take(rows), np.arange(rows.size))):
        found = saved.apply(other, places)
        np.testing.assert_allclose(found[0], fitted.predictions.values[0, ::-1], atol=1e-5)
    assert list(saved.thresholds) == thresholds(fitted.predictions, data.questions, data.space.labels)
    assert (saved.kind, saved.labels, saved.streams) == ("tags", LABELS, ())


def test_a_label_counts_once_a_text_and_unknown_tags_for_none(learned):
    writer = Seq2seq.load(learned[0] / "model" / "seed-0")
    written = [Written(("c++, c#, java", "c++, nonsense"), (0.75, 0.25)), Written(("", "nonsense"), (0.5, 0.5))]
    assert system.label_shares(writer, written).tolist() == [[1, 0, 0.75], [0, 0, 0]]


def test_any_question_gets_tags_from_the_saved_model(learned):
    writer = Seq2seq.load(learned[0] / "model" / "seed-0")
    found = writer.tag_question("java and c#", "")
    assert found
    assert set(found) & {"java", "c#"}
    assert len(set(found)) == len(found)


def test_what_the_texts_say_is_counted():
    questions = pl.DataFrame({"tags": [["a"], ["a", "b"], ["c"], ["a"]], "split": ["train", "test", "test", "test"]})
    tags = [["x"], ["b", "a", "a"], [], ["a", "new"]]
    texts = pl.DataFrame({"seed": 0, "row": np.arange(4), "text": "", "tags": tags})
    assert system.text_numbers(texts, questions, ["a", "b", "c"]) == pytest.approx(
        {
            "written_tags": 5,
            "unknown_tags": 1,
            "repeated_tags": 1,
            "empty_texts": 1,
            "exact_match": 1 / 3,
            "raw_f1_micro": 2 * 3 / (4 + 4),
            "raw_f1_macro": 2 / 4,  # a and b right, c missed, new invented
            "raw_f1_weighted": 3 / 4,
        }
    )
    twice = pl.concat([texts, texts.with_columns(seed=1, tags=pl.Series([[], [], [], []], dtype=pl.List(pl.String)))])
    assert system.text_numbers(twice, questions, ["a", "b", "c"])["empty_texts"] == 2


def test_the_course_in_numbers():
    history = {"seed": [0, 0, 0, 1, 1, 1], "step": [2, 4, 6] * 2, "validation_f1_micro": [0.1, 0.5, 0.5, 0.2, 0.3, 0.7]}
    assert system.course_numbers(pl.DataFrame(history)) == {
        "steps": 6,
        "best_step": 5,
        "validation_f1_micro": pytest.approx(0.6),
    }


def test_same_seed_same_predictions_other_seed_others(data, t5, tmp_path):
    runs = [fit(data, tmp_path / name, t5, seeds=(seed,)) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    np.testing.assert_array_equal(runs[0].predictions.values, runs[1].predictions.values)
    assert runs[0].history.equals(runs[1].history)
    assert not runs[0].history["train_loss"].equals(runs[2].history["train_loss"])


def test_a_killed_training_ends_with_the_same_weights(data, t5, tmp_path, monkeypatch):
    whole = fit(data, tmp_path / "whole", t5, seeds=(0, 1))

    def report(stage: str, done: int, total: int, **_: float) -> None:
        if (stage, done) == ("training, seed 1", 5):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.progress, "report", report)
        with pytest.raises(KeyboardInterrupt):
            fit(data, tmp_path / "killed", t5, seeds=(0, 1))
    # As if it had been killed while it wrote its next checkpoint, whose last file is the trainer's state.
    (tmp_path / "killed" / "checkpoints" / "seed-1" / "checkpoint-6").mkdir()
    steps = []
    monkeypatch.setattr(training.progress, "report", lambda stage, done, *_, **__: steps.append((stage, done)))
    resumed = fit(data, tmp_path / "killed", t5, seeds=(0, 1))
    assert [done for stage, done in steps if stage == "training, seed 1"] == [5, 6]
    assert not [done for stage, done in steps if stage == "training, seed 0"]
    assert resumed.history.equals(whole.history)
    np.testing.assert_array_equal(resumed.predictions.values, whole.predictions.values)
    for seed in ("seed-0", "seed-1"):
        assert weights(tmp_path / "whole", seed) == weights(tmp_path / "killed", seed)


def weights(folder, seed="seed-0") -> bytes:
    return (folder / "model" / seed / "model.safetensors").read_bytes()


def test_a_training_with_other_labels_or_code_is_another_one(data, t5, tmp_path, monkeypatch):
    def taken_up(data) -> bool:
        return fit(data, tmp_path, t5).earlier_seconds > 0

    renamed = replace(data, space=replace(data.space, names=[f"{name}s" for name in data.space.names]))
    assert [taken_up(data), taken_up(data), taken_up(renamed), taken_up(renamed)] == [False, True, False, True]
    monkeypatch.setattr(training, "code_hash", lambda *modules: "other code")
    assert [taken_up(renamed), taken_up(renamed)] == [False, True]


def test_other_settings_start_anew(data, t5, tmp_path):
    fit(data, tmp_path / "one", t5)
    again = fit(data, tmp_path / "one", t5, learning_rate=1e-3)
    fresh = fit(data, tmp_path / "two", t5, learning_rate=1e-3)
    assert again.history.equals(fresh.history)
    np.testing.assert_array_equal(again.predictions.values, fresh.predictions.values)


def test_test_tags_are_not_looked_at(data, t5, tmp_path):
    other = data.questions.with_columns(
        tags=pl.when(pl.col("split") == "test").then(pl.lit(["java"])).otherwise("tags"),
    )
    first, second = fit(data, tmp_path / "a", t5), fit(TagData(other, space=data.space), tmp_path / "b", t5)
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


def test_the_best_checkpoint_is_the_one_with_the_best_f1(data, t5, tmp_path, monkeypatch):
    given = iter([0.1, 0.9, 0.3])
    monkeypatch.setattr(system, "micro_f1_at", lambda *_: [next(given)])
    best = fit(data, tmp_path / "best", t5)
    assert best.history["validation_f1_micro"].to_list() == [0.1, 0.9, 0.3]
    given = iter([0.1, 0.3, 0.9])
    last = fit(data, tmp_path / "last", t5)
    assert best.history["train_loss"].equals(last.history["train_loss"])
    assert weights(tmp_path / "best") != weights(tmp_path / "last")


def test_f1_is_that_of_the_validation_questions_in_their_order(data, t5, tmp_path):
    fitted = fit(data, tmp_path, t5, output_tokens=32, max_steps=40, evaluate_every=40, evaluation_rows=8, beams=1)
    rows = data.rows("validation")
    found, truth = fitted.predictions.at(rows)[0] > 0.5, data.labels(rows)
    expected = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    assert fitted.history["validation_f1_micro"].to_list() == [pytest.approx(expected)]


def test_a_training_that_diverges_says_so(data, t5, tmp_path):
    with pytest.raises(ValueError, match=r"training diverged before step 2 .* lower the learning rate"):
        fit(data, tmp_path, t5, learning_rate=1e30)


def test_fewer_questions_than_a_batch_are_refused(data, t5, tmp_path):
    with pytest.raises(ValueError, match="32 training questions are fewer than one batch of 64"):
        fit(data, tmp_path, t5, batch_size=64, effective_batch_size=64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"effective_batch_size": 12}, "effective_batch_size must be a multiple of batch_size"),
        ({"max_steps": 7}, "max_steps must be a multiple of evaluate_every"),
    ],
)
def test_parts_have_to_fill_the_whole(changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters("minilm", **changes)


def test_batches_have_questions_of_like_length_and_each_pass_has_all():
    lengths = np.random.default_rng(0).integers(1, 200, 640)
    order = training.training_order(lengths, 16, 80, seed=3)
    first, second = np.split(order, 2)
    assert sorted(first) == sorted(second) == list(range(640))
    assert first.tolist() != second.tolist()
    spread = np.ptp(lengths[order].reshape(-1, 16), axis=1)
    assert spread.mean() < 20
    firsts = lengths[order].reshape(-1, 16)[:, 0]
    assert abs(np.corrcoef(firsts, np.arange(80))[0, 1]) < 0.3
    np.testing.assert_array_equal(order, training.training_order(lengths, 16, 80, seed=3))
