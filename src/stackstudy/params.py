"""Parameters of every notebook: frozen pydantic models, checked before a kernel starts.

A model names what its notebook needs (notebooks, or patterns of names of experiments) and what it leaves in its run
folder. Values have no defaults here: the notebook's own ``parameters`` cell holds the smoke-size ones, and a profile
overrides them.
"""

import ast
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
SystemName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]  # of a row in the tables
Protocol = Literal["published", "corrected"]
Strata = Annotated[tuple[str, ...], Field(min_length=1)] | None


class Parameters(BaseModel):
    """Parameters that all notebooks share; subclasses add their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: ClassVar[tuple[str, ...]] = ()
    products: ClassVar[tuple[str, ...]] = ()

    profile: str
    experiment: str

    @classmethod
    def from_notebook(cls, namespace: Mapping[str, Any]) -> Self:
        """Read the fields of this model out of a notebook's globals; a missing or mistyped one is an error.

        ValueError: a cell of parameters, the notebook's own or the one that papermill adds, sets what is none.
        """
        fields = {*cls.model_fields}
        names = set().union(*(_parameters_of(source, fields) for source in namespace.get("In", ())))
        if unknown := sorted(names - fields):
            known = ", ".join(sorted(fields - {"profile", "experiment"}))
            raise ValueError(f"no parameter {', '.join(unknown)} here; there are {known}")
        return cls(**{name: namespace[name] for name in cls.model_fields if name in namespace})


def _parameters_of(source: str, fields: set[str]) -> set[str]:
    """Return the names that a cell of parameters sets; none if the cell is another.

    It does nothing but set names, one of `fields` among them, or papermill wrote it.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic
        return set()
    if not all(isinstance(each, ast.Assign) for each in body):
        return set()
    names = {target.id for each in body for target in each.targets if isinstance(target, ast.Name)}
    return names if source.startswith("# Parameters\n") or names & fields else set()


class Questions(Parameters):
    """01: where the questions come from and when two of them count as near-duplicates."""

    products = ("questions.parquet", "figures/score-distribution.png", "figures/tag-frequencies.png")

    source: str  # "planted", or the path of a dump, CSV or parquet
    rows: Count | None  # planted: how many to make; other sources: None reads all
    seed: int
    near_duplicate_similarity: Fraction


class Embeddings(Parameters):
    """02: the encoder, and how many tokens of a body each stream sees."""

    needs = ("01-questions",)

    encoder: str  # of an endpoint there are no vectors of tokens
    device: str
    max_length: Count
    sequence_tokens: Count
    chunk_length: Count
    max_chunks: Count
    tokens_per_batch: Count
    workers: Count  # of a Ray cluster, that share the texts

    @property
    def products(self) -> tuple[str, ...]:
        streams = ("title", "body", "tag", "body_tokens", "body_chunks")
        served = self.encoder.startswith("endpoint:")
        return tuple(f"{stream}.npy" for stream in streams if not (served and stream == "body_tokens"))


class TagCentroids(Parameters):
    """03: size of the label space and of the clustering that makes it."""

    needs = ("01-questions", "02-embeddings")
    products = ("tagspace/centroids.npy", "tagspace/tags.parquet", "tagspace/labels.npz")

    centroids: Count
    minimum_count: Count
    orphan_cosine: Annotated[float, Field(ge=-1, le=1)]
    branching: Count
    restarts: Count
    seed: int


class TagSystem(Parameters):
    """What the notebooks that fit tag systems share."""

    needs = ("01-questions", "02-embeddings", "03-tag-centroids")

    seeds: Seeds


class TagsBaselines(TagSystem):
    """11: systems that a network has to beat; what has several values is chosen on validation rows."""

    products = tuple(
        f"predictions/{name}.npz" for name in ("majority", "zero-shot", "k-nearest", "linear-probe", "tfidf-logistic")
    )

    neighbours: tuple[Count, ...]
    inverse_penalties: tuple[float, ...]  # C of the logistic regressions
    max_features: Count


class TagsXGBoost(TagSystem):
    """12: boosted trees on the body vector, one label a question (published) or all of them (corrected)."""

    products = ("history.csv", "predictions/*.npz")

    name: SystemName
    protocol: Protocol
    minimum_questions: Count  # a centroid that is the majority of fewer training questions is no single label
    rounds: Count
    patience: Count | None  # rounds without a better validation loss before the end; None: all rounds
    max_depth: Count
    learning_rate: float
    min_child_weight: float
    colsample_bytree: Fraction
    colsample_bylevel: Fraction
    reg_alpha: float
    reg_lambda: float
    max_bin: Count
    device: str
    workers: Count  # of a Ray cluster, that share the rows


class TagsNeural(TagSystem):
    """13: one network for tags and its training."""

    products = ("history.csv", "predictions/*.npz")

    name: SystemName
    system: Literal["body-mlp", "dsf-mhsa", "dsf-crossattn", "sequence-dsf", "label-attention"]
    protocol: Protocol
    keys: Literal["body", "body_chunks", "body_tokens"]  # what is attended to; published: the one body vector
    label_count: bool  # published: the number of target labels is an input
    loss: Literal["bce", "bce-weighted", "asl", "focal", "focal-smoothed"]
    gamma_negative: float  # ASL
    gamma_positive: float
    hidden: tuple[Count, ...]
    dropout: Fraction
    late_dropout: Fraction  # after the epochs of mixup, also where they mix nothing; without any, dropout stays
    learning_rate: float
    weight_decay: float
    schedule: Literal["constant", "plateau", "onecycle"]
    gradient_clip: Annotated[float, Field(gt=0)] | None  # largest norm
    mixup: Literal["none", "input", "manifold"]
    mixup_alpha: Annotated[float, Field(gt=0)]
    mixup_epochs: Annotated[int, Field(ge=0)]
    batch_size: Count
    max_epochs: Count
    patience: Count
    device: str
    devices: Count  # that divide each batch of one training among them; on cuda, GPUs

    @model_validator(mode="after")
    def _network_has_it(self) -> Self:
        """Refuse what the network would ignore."""
        if self.system == "body-mlp" and (self.keys != "body" or self.label_count):
            raise ValueError("body-mlp reads the body vector alone: it takes keys body and no label_count")
        if self.system != "body-mlp" and len(self.hidden) != 1:
            raise ValueError(f"hidden: {self.system} has one width, not {len(self.hidden)}")
        if self.system == "label-attention" and self.label_count:
            raise ValueError("label-attention is no network of the study, and takes no label_count")
        return self


class TagsSeq2seq(TagSystem):
    """14: an encoder-decoder that writes the tags as text."""

    needs = ("01-questions", "03-tag-centroids")
    products = ("history.csv", "predictions/*.npz", "figures/seq2seq-course.png")

    name: SystemName
    checkpoint: str  # "minilm" (both halves start from the encoder's weights), a hub id such as "t5-small", or a folder
    input_tokens: Count
    output_tokens: Count
    learning_rate: float
    label_smoothing: Fraction
    batch_size: Count  # of one step on the device
    effective_batch_size: Count  # after gradient accumulation
    max_steps: Count
    evaluate_every: Count  # steps
    evaluation_rows: Count  # validation questions in the course's F1; the final predictions use all
    beams: Count
    device: str

    @model_validator(mode="after")
    def _whole_numbers(self) -> Self:
        """Refuse a last batch or a last evaluation that would be cut short."""
        pairs = (("effective_batch_size", "batch_size"), ("max_steps", "evaluate_every"))
        for whole, part in pairs:
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(f"{whole} must be a multiple of {part}")
        return self


class TagsKernels(TagSystem):
    """15: a question is compared with all training questions, by words, by vectors, and by both."""

    products = ("history.csv", "predictions/*-kernel.npz", "left-out/*-kernel.npy")

    penalties: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]  # of the ridge regressions


class TagsCombined(TagSystem):
    """16: systems made of the systems of other notebooks."""

    needs = ("01-questions", "02-embeddings", "03-tag-centroids", "1[1-5]-*", "18-*")
    products = (
        "history.csv",
        *(f"predictions/{name}.npz" for name in ("seed-ensemble", "second-stage*", "mixture*")),
        "tables/mixture-weights.csv",
    )

    rounds: Count  # of the second stage, which is boosted trees
    patience: Count
    max_depth: Count
    learning_rate: float
    min_child_weight: float
    subsample: Fraction
    colsample_bytree: Fraction


class TagsRaw(TagsBaselines, TagsKernels):
    """17: systems of notebooks 11 and 15 that predict the raw tags, and what is lost by way of the centroids."""

    products = (
        "history.csv",
        "predictions/*.npz",
        "tables/raw-tags-summary.csv",
        "tables/raw-tags-coverage.csv",
        "figures/raw-tags-at-k.png",
    )

    minimum_count: Count  # training questions that a tag must be on to be predicted
    resamples: Count  # bootstrap draws of the test questions
    seed: int  # of the bootstrap


class TagsFinetuned(TagSystem):
    """18: the encoder itself, trained on title and body."""

    needs = ("01-questions", "03-tag-centroids")
    products = ("history.csv", "predictions/*.npz")

    name: SystemName
    encoder: str  # see 02
    max_length: Count  # tokens of title and body together
    frozen_layers: Annotated[int, Field(ge=0)]  # the lowest, that stay as they are; embeddings always do
    lora_rank: Count | None  # of what is added to each weight matrix; None: the weights themselves are trained
    gradient_checkpointing: bool  # less memory, a third more time
    dropout: Fraction  # of the question's vector
    learning_rate: float  # of the uppermost layer
    layer_decay: Annotated[float, Field(gt=0, le=1)]  # each layer below learns at that share of the rate above it
    head_learning_rate: float  # of the new layer
    weight_decay: float
    gradient_clip: Annotated[float, Field(gt=0)] | None  # largest norm
    batch_size: Count
    max_epochs: Count
    patience: Count
    device: str
    devices: Count  # that divide each batch of one training among them; on cuda, GPUs


class ScoreSystem(Parameters):
    """What the notebooks that fit score systems share."""

    needs = ("01-questions", "02-embeddings")

    strata: Strata  # train, choose and test within these alone; None: all questions
    seeds: Seeds


class Boosting(ScoreSystem):
    """Of gradient-boosted trees on a few hundred features."""

    rounds: Count
    patience: Count  # rounds without a better validation loss before the end
    max_depth: Count
    learning_rate: float
    min_child_weight: float
    subsample: Fraction
    colsample_bytree: Fraction


class ScoresTraditional(Boosting):
    """21: regressors on words, and boosted trees; every penalty in `alphas` is tried on validation rows."""

    needs = ("01-questions",)
    products = (
        "history.csv",
        "predictions/mean*.npz",
        "predictions/*-ridge.npz",
        "predictions/log-*.npz",
        "predictions/boosting.npz",
        "tables/*-importance.csv",
    )

    max_features: Count
    components: Count
    alphas: tuple[float, ...]  # of the squared weights, as in ridge regression


class ScoresNeural(ScoreSystem):
    """22: one network for scores and its training."""

    products = ("history.csv", "predictions/*.npz")

    name: SystemName
    system: Literal["title-mlp", "body-mlp", "dsf-mhsa", "dsf-crossattn"]
    target: Literal["raw", "signed-log", "median"]  # published: raw, by squared error; the median by absolute error
    keys: Literal["body", "body_chunks", "body_tokens"]  # what is attended to; published: the one body vector
    hidden: tuple[Count, ...]
    dropout: Fraction
    learning_rate: float
    weight_decay: float
    schedule: Literal["constant", "plateau", "onecycle"]
    batch_size: Count
    max_epochs: Count
    patience: Count | None  # epochs without a better validation loss before the end; None: all, and the last is kept
    device: str
    devices: Count  # that divide each batch of one training among them; on cuda, GPUs

    @model_validator(mode="after")
    def _network_has_it(self) -> Self:
        """Refuse what the network would ignore."""
        single = self.system in ("title-mlp", "body-mlp")
        if single and self.keys != "body":
            raise ValueError(f"{self.system} reads one vector a question: it takes keys body")
        if not single and len(self.hidden) != 1:
            raise ValueError(f"hidden: {self.system} has one width, not {len(self.hidden)}")
        return self


class ScoresBeyond(Boosting):
    """23: boosted trees on vectors and features, apart from age and stratum; intervals, two parts, classes."""

    products = (
        "history.csv",
        "predictions/controls.npz",
        "predictions/xgboost*.npz",
        "predictions/quantile.npz",
        "predictions/two-part.npz",
        "predictions/ordinal.npz",
        "extra/*.npz",
        "figures/*-intervals.png",
    )


class ScoresStacked(Boosting):
    """24: trees on what linear models say of a question, and weighted means of the systems of other notebooks."""

    needs = ("01-questions", "02-embeddings", "2[1-3]-*")
    products = (
        "history.csv",
        "predictions/two-stage*.npz",
        "predictions/stacked*.npz",
        "tables/*-stack-weights.csv",
        "figures/*-stack-weights.png",
    )

    max_features: Count  # words
    components: Count  # of the words
    tags: Count  # the most frequent ones


class Comparison(Parameters):
    """Bootstrap over test questions, shared by the two comparisons."""

    resamples: Count
    seed: int


class TagsComparison(Comparison):
    """19: all tag systems of the profile on the same test rows."""

    needs = ("01-questions", "02-embeddings", "03-tag-centroids", "1[1-68]-*")  # 17 predicts other labels
    products = ("tables/tags-summary.csv", "figures/tags-per-label.png")


class ScoresComparison(Comparison):
    """29: all score systems of the profile that were trained on the same strata, on the same test rows."""

    needs = ("01-questions", "2[1-4]-*")
    products = ("tables/*-summary.csv", "figures/*-systems.png")

    strata: Strata  # of the systems that are compared


class Audit(Comparison):
    """31: what each habit of the published study does to a number."""

    needs = ("01-questions", "02-embeddings", "03-tag-centroids", "1[1-4]-*", "22-*", "31-audit-*")
    products = ("tables/audit-effects.csv", "tables/audit-spread.csv", "figures/audit-effects.png")

    splits: Annotated[int, Field(ge=2)]  # random ones, for what depends on the split
    orphan_cosine: Annotated[float, Field(ge=-1, le=1)]  # of the corrected label space; published: -1


class Ask(Parameters):
    """40: a question that nobody has asked yet, and which trained systems answer it."""

    needs = ("01-questions", "02-embeddings", "03-tag-centroids", "11-tags-baselines", "21-scores-traditional")
    products = ("answer.json",)

    title: Annotated[str, Field(min_length=1)]
    body: str
    systems: Annotated[tuple[str, ...], Field(min_length=1)]  # names of experiments or systems, or patterns of them


NOTEBOOKS: dict[str, type[Parameters]] = {
    "01-questions": Questions,
    "02-embeddings": Embeddings,
    "03-tag-centroids": TagCentroids,
    "11-tags-baselines": TagsBaselines,
    "12-tags-xgboost": TagsXGBoost,
    "13-tags-neural": TagsNeural,
    "14-tags-seq2seq": TagsSeq2seq,
    "15-tags-kernels": TagsKernels,
    "16-tags-combined": TagsCombined,
    "17-tags-raw": TagsRaw,
    "18-tags-finetuned": TagsFinetuned,
    "19-tags-comparison": TagsComparison,
    "21-scores-traditional": ScoresTraditional,
    "22-scores-neural": ScoresNeural,
    "23-scores-beyond": ScoresBeyond,
    "24-scores-stacked": ScoresStacked,
    "29-scores-comparison": ScoresComparison,
    "31-audit": Audit,
    "40-ask": Ask,
}
