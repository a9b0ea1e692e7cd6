"""Training of an encoder-decoder with transformers' own trainer: exact resume, best checkpoint by validation F1.

A training that was killed goes on from its last evaluation and ends with the same weights as one that was not: the
rows of every step follow from the seed alone, and the trainer's checkpoint holds the state of all else. Its evaluations
are in the precision of the training (see `in_bfloat16`); what is trained writes in float32.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from transformers import (
    DataCollatorForSeq2Seq,
    EvalPrediction,
    GenerationConfig,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    TrainerControl,
    TrainerState,
)

from stackstudy.devices import in_bfloat16
from stackstudy.models.seq2seq import Seq2seq, Tokens, quiet
from stackstudy.paths import replacing
from stackstudy.runs import progress
from stackstudy.runs.key import code_hash
from stackstudy.runs.products import save_json

POOL = 50  # batches that are cut from one random pool of questions, sorted by length

Examples = list[dict[str, Tokens]]


@dataclass(frozen=True)
class Options:
    """How an encoder-decoder is trained."""

    learning_rate: float  # reached after a tenth of the steps, then falling to zero in a line, as is usual
    label_smoothing: float
    batch_size: int
    effective_batch_size: int  # a multiple of it: gradients are summed over that many batches
    max_steps: int
    evaluate_every: int  # steps; it divides max_steps
    device: str


def examples(writer: Seq2seq, prompts: Sequence[str], texts: Sequence[str]) -> Examples:
    """Return what the trainer reads: the tokens of each prompt, and those of the text to write for it."""
    pairs = zip(writer.read(prompts), writer.spell(texts), strict=True)
    return [{"input_ids": read, "attention_mask": [1] * len(read), "labels": spelled} for read, spelled in pairs]


def train(
    writer: Seq2seq,
    data: tuple[Examples, Examples],
    f1: Callable[[list[str]], float],
    options: Options,
    seed: int,
    folder: Path,
    scratch: Path,
) -> tuple[Seq2seq, pl.DataFrame, float]:
    """Train `writer` in place and give it back with its best weights, and the course: a row per evaluation.

    The third is how many seconds an earlier call took, if all was done by then.

    `data` is what to learn from and what to validate on; `f1` judges the texts written, greedily, for the latter, in
    their order. The model is saved as `folder`. `scratch` keeps the checkpoints until then, and afterwards the course,
    so that the same call does nothing; a call with another model, other data, options or code starts anew.
    ValueError: fewer questions than one batch, or the loss is no longer a number.
    """
    since = time.monotonic()
    mark, finished = _mark(writer, data, f1, options, seed), scratch / "course.json"
    if finished.exists() and (course := json.loads(finished.read_text(encoding="utf-8")))["mark"] == mark:
        return Seq2seq.load(folder), _frame(course["history"]), course["seconds"]
    _clear_if_other(scratch, mark)
    history = _fit(writer, data, f1, options, seed, scratch)
    writer.save(folder)
    shutil.rmtree(scratch)
    save_json({"mark": mark, "history": history, "seconds": time.monotonic() - since}, finished)
    return writer, _frame(history), 0.0


def training_order(lengths: Sequence[int], batch_size: int, batches: int, seed: int) -> np.ndarray:
    """Return the rows of all batches, one after the other, int64 (batches * batch_size,).

    Each pass over the questions is another shuffle in which a batch has questions of like length, so that little is
    padded; the up to batch_size - 1 questions of a pool that fill no batch wait for another pass.
    """
    if len(lengths) < batch_size:
        raise ValueError(f"{len(lengths)} training questions are fewer than one batch of {batch_size}")
    random, order, all_lengths = np.random.default_rng(seed), [], np.asarray(lengths)
    while len(order) < batches:
        rows = random.permutation(len(all_lengths))
        pools = [rows[start : start + POOL * batch_size] for start in range(0, len(rows), POOL * batch_size)]
        cut = [batch for pool in pools for batch in _cut(pool[np.argsort(all_lengths[pool])], batch_size)]
        order += [cut[place] for place in random.permutation(len(cut))]
    return np.concatenate(order[:batches])


# The trainer's names -> those of a course.
COLUMNS = {"loss": "train_loss", "eval_loss": "validation_loss", "eval_f1_micro": "validation_f1_micro"}


class _Watch(TrainerCallback):
    """Reports every step, and ends a training whose loss is no longer a number."""

    def __init__(self, seed: int) -> None:
        self.seed, self.latest = seed, {}

    def on_step_end(self, _: Any, state: TrainerState, __: TrainerControl, **___: Any) -> None:
        progress.report(f"training, seed {self.seed}", state.global_step, state.max_steps, **self.latest)

    def on_log(self, _: Any, state: TrainerState, __: TrainerControl, logs: dict[str, float], **___: Any) -> None:
        found = {name: logs[key] for key, name in COLUMNS.items() if key in logs}
        if not all(map(math.isfinite, found.values())):
            raise ValueError(f"training diverged before step {state.global_step} ({found}): lower the learning rate")
        self.latest |= found


def _fit(
    writer: Seq2seq,
    data: tuple[Examples, Examples],
    f1: Callable[[list[str]], float],
    options: Options,
    seed: int,
    scratch: Path,
) -> list[dict[str, float]]:
    """Train the model of `writer` in place; return the course."""
    learn, validate = data
    longest_first = sorted(range(len(validate)), key=lambda row: -len(validate[row]["input_ids"]))
    places = np.argsort(longest_first)  # back to the order of the questions
    generation = writer.model.generation_config
    writer.model.generation_config = GenerationConfig(**generation.to_diff_dict(), max_new_tokens=writer.output_tokens)
    batches = options.max_steps * options.effective_batch_size // options.batch_size
    order = training_order([len(each["input_ids"]) for each in learn], options.batch_size, batches, seed)

    def metrics(found: EvalPrediction) -> dict[str, float]:
        texts = writer.decode(found.predictions)
        return {"f1_micro": f1([texts[place] for place in places])}

    with quiet():
        trainer = Seq2SeqTrainer(
            writer.model,
            _arguments(options, seed, scratch),
            DataCollatorForSeq2Seq(writer.tokenizer, writer.model),
            train_dataset=[learn[row] for row in order],
            eval_dataset=[validate[row] for row in longest_first],
            compute_metrics=metrics,
            callbacks=[_Watch(seed)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=_last_checkpoint(scratch))
    trainer.accelerator.unwrap_model(writer.model, keep_fp32_wrapper=False)  # it writes in float32, as when loaded
    writer.model.generation_config = generation  # the trainer has filled in defaults of its own
    return _course(trainer.state.log_history)


def _arguments(options: Options, seed: int, scratch: Path) -> Seq2SeqTrainingArguments:
    every = dict.fromkeys(("eval_steps", "save_steps", "logging_steps"), options.evaluate_every)
    cuda = options.device.startswith("cuda")
    arguments = Seq2SeqTrainingArguments(
        str(scratch),
        **every,
        eval_strategy="steps",
        max_steps=options.max_steps,
        warmup_steps=options.max_steps // 10,
        learning_rate=options.learning_rate,
        label_smoothing_factor=options.label_smoothing,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        gradient_accumulation_steps=options.effective_batch_size // options.batch_size,
        train_sampling_strategy="sequential",  # in the order that `training_order` made
        load_best_model_at_end=True,
        metric_for_best_model="f1_micro",
        greater_is_better=True,
        save_total_limit=1,  # and the best one
        predict_with_generate=True,
        generation_num_beams=1,
        seed=seed,
        bf16=in_bfloat16(options.device),
        use_cpu=options.device == "cpu",
        dataloader_pin_memory=cuda,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
    )
    # On a machine with more GPUs the trainer would multiply the batch by their number.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _course(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return step, losses and F1 of each evaluation from the trainer's log, which has two entries for one."""
    rows: dict[int, dict[str, float]] = {}
    for entry in log:
        found = {name: entry[key] for key, name in COLUMNS.items() if key in entry}
        if found:
            rows.setdefault(entry["step"], {"step": entry["step"]}).update(found)
    return list(rows.values())


def _frame(history: list[dict[str, float]]) -> pl.DataFrame:
    return pl.DataFrame(history).select("step", *COLUMNS.values())


def _last_checkpoint(scratch: Path) -> str | None:
    """Return the last checkpoint that was written to its end: the trainer writes its own state last."""
    found = [
        path.parent for path in scratch.glob("checkpoint-*/trainer_state.json") if path.read_bytes().endswith(b"}\n")
    ]
    return max(map(str, found), key=lambda path: int(path.rpartition("-")[2]), default=None)


def _clear_if_other(scratch: Path, mark: str) -> None:
    """Empty `scratch` if it is of a training with other data or options."""
    path = scratch / "mark"
    if not path.exists() or path.read_text(encoding="utf-8") != mark:
        shutil.rmtree(scratch, ignore_errors=True)
        with replacing(path) as fresh:
            fresh.write_text(mark, encoding="utf-8")


def _mark(
    writer: Seq2seq, data: tuple[Examples, Examples], f1: Callable[[list[str]], float], options: Options, seed: int
) -> str:
    """Return a hash of all that decides the result: first weights, tags and labels, data, settings, and their code."""
    code = code_hash(__name__, f1.__module__)
    mark = hashlib.sha256(repr((writer.about, asdict(options), in_bfloat16(options.device), seed, data, code)).encode())
    for name, value in writer.model.state_dict().items():
        mark.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return mark.hexdigest()


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]
