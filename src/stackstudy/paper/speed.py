"""What `make bench` has measured, as the paper tells it: every claim, and what all questions of a site would cost."""

from typing import Any, NamedTuple

from stackstudy import paths
from stackstudy.paper import text
from stackstudy.paper.finished import read_json

SITE = 24_000_000  # questions of Stack Overflow, about
HALF, SINGLE = 2, 4  # bytes of a number
HOUR = 3600
GPU_RATE = 312e12  # operations a second of an A100 in bfloat16, by its data sheet
GPU_SHARE = 0.3  # of them that a model may well reach
LARGE = 7.6e9  # weights of Qwen3-Embedding-8B without its vocabulary's, each used twice for a token
WIDTHS = {"minilm": 384, "qwen3-8b": 4096}

Results = dict[str, dict[str, Any]]


class Stage(NamedTuple):
    """What one step costs for all questions: hours here and on a GPU, bytes that it writes, and how to pay less."""

    name: str
    hours: float
    gpu_hours: float | None
    written: float | None
    knob: str


def measured() -> Results | None:
    """Return what ``make bench`` has written, None if it was never run."""
    path = paths.results_dir("benchmarks") / "benchmarks.json"
    return read_json(path) if path.exists() else None


def claims(results: Results) -> str:
    """Return a pipe table of all claims: seconds of both sides, their ratio, share of the limit, memory, target."""
    heads = ("Workload", "Ours, s", "Usual, s", "Ratio", "Of limit", "Memory, MB", "Target", "Met")
    marks = (":---", *["---:"] * 5, ":---", ":---")
    found = sorted((each for name, each in results.items() if name != "machine"), key=lambda each: each["place"])
    return text.pipes([heads, marks, *map(_claim, found)])


def whole_site(results: Results) -> str:
    """Return a pipe table of what each stage costs for `SITE` questions."""
    heads = ("Stage", "Hours here", "Hours on a GPU", "GB written", "What to turn")
    rows = [
        (
            stage.name,
            _short(stage.hours),
            _short(stage.gpu_hours),
            _short(stage.written and stage.written / 1e9),
            stage.knob,
        )
        for stage in stages(results)
    ]
    return text.pipes([heads, (":---", "---:", "---:", "---:", ":---"), *rows])


def stages(results: Results) -> list[Stage]:
    """Return the stages, each by the rate that was measured or, on a GPU, by its operations."""
    ingestion, embedding, training = (results[name] for name in ("ingestion", "embedding", "dsf_crossattn_training"))
    machine, evaluation = results["machine"], results["million_questions"]
    rate = machine.get("bfloat16_gflops", machine["float32_gflops"]) * 1e9
    small, large = WIDTHS.values()
    tokens = embedding["tokens"]
    return [
        Stage(
            "ingestion of the dump",
            SITE * ingestion["ours_seconds"] / ingestion["questions"] / HOUR,
            None,
            SITE * ingestion["table_bytes"] / ingestion["questions"],
            "`--rows`",
        ),
        Stage(
            "bodies through minilm",
            SITE * embedding["ours_seconds"] / embedding["bodies"] / HOUR,
            _gpu_hours(SITE * embedding["operations"]),
            SITE * small * HALF,
            "`max_length`, `workers` of 02",
        ),
        Stage(
            "bodies through qwen3-8b",
            SITE * tokens * 2 * LARGE / rate / HOUR,
            _gpu_hours(SITE * tokens * 2 * LARGE),
            SITE * large * HALF,
            "`max_length`, `workers` of 02",
        ),
        Stage(
            "an epoch of dsf-crossattn, as published",
            SITE / training["rows_per_second"] / HOUR,
            _gpu_hours(SITE * training["operations"]),
            None,
            "`hidden`, `max_epochs`, `devices`",
        ),
        Stage(
            "evaluation of one system",
            SITE / evaluation["questions"] * evaluation["evaluation_seconds"] / HOUR,
            None,
            SITE * evaluation["labels"] * SINGLE,
            "`resamples`",
        ),
    ]


def _gpu_hours(operations: float) -> float:
    return operations / (GPU_RATE * GPU_SHARE) / HOUR


def _claim(result: dict[str, Any]) -> list[str]:
    numbers = [result[name] for name in ("ours_seconds", "usual_seconds", "ratio", "of_limit", "peak_memory_mb")]
    return [
        text.escape(result["workload"]),
        *map(_short, numbers),
        text.escape(result["target"]),
        "yes" if result["met"] else "no",
    ]


def _short(number: float | None) -> str:
    """Return a number with about three digits, a dash for none."""
    if number is None:
        return "–"
    if number < 0.001:
        return "below .001"
    if number >= 100:
        return text.thousands(number)
    return text.f(number, 1 if number >= 10 else 2 if number >= 0.1 else 3)
