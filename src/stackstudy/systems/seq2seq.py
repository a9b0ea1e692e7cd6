"""The tag system that writes: title and body in, tags as text out, labels by what the written tags belong to."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from stackstudy.devices import pick_device
from stackstudy.evaluation.predictions import rows_of
from stackstudy.evaluation.tags import micro_f1_at
from stackstudy.models import seq2seq_training as training
from stackstudy.models.seq2seq import Seq2seq, Written, load_checkpoint, prompt
from stackstudy.params import TagsSeq2seq
from stackstudy.paths import replacing
from stackstudy.runs.products import save_json
from stackstudy.systems.data import Apply, Data, Fitted, TagData, about_tags, predictions_of

TEXTS = "texts.parquet"


def seq2seq(data: TagData, parameters: TagsSeq2seq, folder: Path) -> Fitted:
    """Fit an encoder-decoder per seed that writes a question's tags, sorted and separated by commas.

    The probability of a label is the share that the texts with one of its tags have of the joint probability of all
    texts that the beam search returns: 0 or 1 with one beam. The models are saved as ``folder/model/seed-<s>``, the
    best texts of all validation and test rows as ``folder/texts.parquet``: seed, row, text, and its tags in order.
    """
    rows, device = data.rows("validation", "test"), pick_device(parameters.device)
    histories, values, texts, earlier = [], {}, [], 0.0
    for seed in parameters.seeds:
        writer, history, seconds, size = _train(data, parameters, seed, folder)
        earlier += seconds
        written = _write(writer, data.questions[rows], seed, device)
        values[seed] = label_shares(writer, written)
        histories.append(history.select(pl.lit(seed).alias("seed"), pl.all()))
        texts.append(_text_rows(writer, written, rows, seed))
    predictions = predictions_of(parameters.name, "tags", data, parameters, values)
    save_json({"class": "Seq2seq", **about_tags(predictions, data, [])}, folder / "model" / "model.json")
    with replacing(folder / TEXTS) as fresh:
        pl.concat(texts).write_parquet(fresh)
    return Fitted(predictions, pl.concat(histories), size, earlier)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions, on the device at hand."""
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        values = {}
        for seed in about["seeds"]:
            writer = Seq2seq.load(folder / f"seed-{seed}")
            values[seed] = label_shares(writer, _write(writer, data.questions[rows], seed, pick_device("auto")))
        return values

    return apply


def prompts_of(questions: pl.DataFrame) -> list[str]:
    """Return the text that the model reads for each question (n,)."""
    return [prompt(title, body) for title, body in questions.select("title", "body").iter_rows()]


def targets_of(questions: pl.DataFrame) -> list[str]:
    """Return the text that the model should write for each question (n,): its own tags, sorted."""
    return [", ".join(sorted(tags)) for tags in questions["tags"].to_list()]


def label_shares(writer: Seq2seq, written: Sequence[Written]) -> np.ndarray:
    """Return for each question and label the share of the texts that have one of the label's tags, float64 (n, k)."""
    values = np.zeros((len(written), len(writer.labels)))
    for row, found in zip(values, written, strict=True):
        for text, share in zip(found.texts, found.shares, strict=True):
            row[_labels_of(writer, text)] += share
    return values.clip(max=1)


def text_numbers(texts: pl.DataFrame, questions: pl.DataFrame, known: Iterable[str]) -> dict[str, float]:
    """Return what is true of the texts written for test rows, as means over seeds; `known` are all known tags.

    Counts of written_tags, unknown_tags, repeated_tags and empty_texts; exact_match: the share of questions with
    exactly their own tags; and the published measure, F1 over the tags themselves, not their labels: raw_f1_micro,
    raw_f1_macro (over all tags that are true or written somewhere; unknown ones have 0) and raw_f1_weighted.
    """
    test, known = rows_of(questions, "test"), set(known)
    truth = [set(tags) for tags in questions["tags"].gather(test).to_list()]
    seeds = []
    for seed in texts.partition_by("seed", maintain_order=True):
        found = pl.DataFrame({"row": test}).join(seed, on="row", how="left", maintain_order="left")["tags"].to_list()
        seeds.append(_counts(found, known) | _raw_f1(truth, [set(tags) for tags in found]))
    return {name: float(np.mean([each[name] for each in seeds])) for name in seeds[0]}


def course_numbers(history: pl.DataFrame) -> dict[str, float]:
    """Return steps run, best_step and its validation_f1_micro, means over seeds, from the history of this system."""
    best = history.sort("validation_f1_micro", "step", descending=[True, False]).group_by("seed").first()
    f1, step = best["validation_f1_micro"].mean(), best["step"].mean()
    return {"steps": float(history["step"].max()), "best_step": step, "validation_f1_micro": f1}


def _train(data: TagData, parameters: TagsSeq2seq, seed: int, folder: Path) -> tuple[Seq2seq, pl.DataFrame, float, int]:
    """Return the trained model, its course, seconds of an earlier call, and how many numbers it has learned."""
    validation = data.rows("validation")
    # Evenly over the table: its head may be special, as it was where the study took its rows from.
    some = validation[np.linspace(0, len(validation) - 1, min(parameters.evaluation_rows, len(validation)), dtype=int)]
    truth = data.labels(some)
    torch.manual_seed(seed)
    writer = _new(data, parameters)
    parts = [data.questions[rows] for rows in (data.rows("train"), some)]
    examples = [training.examples(writer, prompts_of(part), targets_of(part)) for part in parts]

    def f1(texts: list[str]) -> float:
        found = label_shares(writer, [Written((text,), (1.0,)) for text in texts])
        return float(micro_f1_at(found, truth, np.array([0.5]))[0])

    options = training.Options(
        learning_rate=parameters.learning_rate,
        label_smoothing=parameters.label_smoothing,
        batch_size=parameters.batch_size,
        effective_batch_size=parameters.effective_batch_size,
        max_steps=parameters.max_steps,
        evaluate_every=parameters.evaluate_every,
        device=pick_device(parameters.device),
    )
    places = folder / "model" / f"seed-{seed}", folder / "checkpoints" / f"seed-{seed}"
    size = writer.model.num_parameters(only_trainable=True)
    return *training.train(writer, tuple(examples), f1, options, seed, *places), size


def _new(data: TagData, parameters: TagsSeq2seq) -> Seq2seq:
    """Return an untrained model, with the tags of the tag space, most frequent first."""
    tags = data.space.tags.sort(["count", "tag"], descending=[True, False])
    known = dict(tags.select("tag", "centroid").iter_rows())
    sizes = parameters.input_tokens, parameters.output_tokens, parameters.beams
    return Seq2seq(*load_checkpoint(parameters.checkpoint), known, tuple(data.space.names), *sizes)


def _write(writer: Seq2seq, questions: pl.DataFrame, seed: int, device: str) -> list[Written]:
    """Return what is written for each question (n,)."""
    writer.model.to(device)
    return writer.write(prompts_of(questions), writer.beams, f"writing, seed {seed}")


def _labels_of(writer: Seq2seq, text: str) -> list[int]:
    return sorted({writer.tags.get(tag) for tag in writer.parse(text)} - {None})


def _text_rows(writer: Seq2seq, written: Sequence[Written], rows: np.ndarray, seed: int) -> pl.DataFrame:
    texts = [found.texts[0] for found in written]
    tags = pl.Series([writer.parse(text) for text in texts], dtype=pl.List(pl.String))
    return pl.DataFrame({"seed": np.full(len(rows), seed), "row": rows, "text": texts, "tags": tags})


def _counts(found: list[list[str]], known: set[str]) -> dict[str, float]:
    return {
        "written_tags": sum(map(len, found)),
        "unknown_tags": sum(tag not in known for tags in found for tag in tags),
        "repeated_tags": sum(len(tags) - len(set(tags)) for tags in found),
        "empty_texts": sum(not tags for tags in found),
    }


def _raw_f1(truth: list[set[str]], found: list[set[str]]) -> dict[str, float]:
    binary = MultiLabelBinarizer(sparse_output=True).fit([*truth, *found])
    pair = binary.transform(truth), binary.transform(found)
    averages = ("micro", "macro", "weighted")
    f1 = {f"raw_f1_{name}": float(f1_score(*pair, average=name, zero_division=0)) for name in averages}
    return f1 | {"exact_match": float(np.mean([true == tags for true, tags in zip(truth, found, strict=True)]))}
