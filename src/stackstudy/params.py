"""Parameters of every notebook: frozen pydantic models, checked before a kernel starts.

A model names what its notebook needs (patterns of notebook names) and what it leaves in its run folder.
Values have no defaults here: the notebook's own ``parameters`` cell holds the smoke-size ones, and a profile
overrides them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Parameters(BaseModel):
    """Parameters that all notebooks share; subclasses add their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: ClassVar[tuple[str, ...]] = ()
    products: ClassVar[tuple[str, ...]] = ()

    profile: str
    experiment: str

    @classmethod
    def from_notebook(cls, namespace: Mapping[str, Any]) -> Self:
        """Read the fields of this model out of a notebook's globals; a missing or mistyped one is an error."""
        return cls(**{name: namespace[name] for name in cls.model_fields if name in namespace})


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
    products = ("title.npy", "body.npy", "tag.npy", "body_tokens.npy", "body_chunks.npy")

    encoder: str
    device: str
    max_length: Count
    sequence_tokens: Count
    chunk_length: Count
    max_chunks: Count
    tokens_per_batch: Count


class TagCentroids(Parameters):
    """03: size of the label space and of the clustering that makes it."""

    needs = ("01-questions", "02-embeddings")
    products = ("tagspace/centroids.npy", "tagspace/tags.parquet", "tagspace/labels.npz")

    centroids: Count
    minimum_count: Count
    branching: Count
    restarts: Count
    seed: int


class TagsNeural(Parameters):
    """13: one network for tags and its training."""

    needs = ("01-questions", "02-embeddings", "03-tag-centroids")
    products = ("history.csv", "predictions/*.npz")

    system: Literal["body-mlp"]
    protocol: Literal["published", "corrected"]
    hidden: tuple[Count, ...]
    dropout: Fraction
    learning_rate: float
    weight_decay: float
    batch_size: Count
    max_epochs: Count
    patience: Count
    seeds: Seeds
    device: str


class ScoresTraditional(Parameters):
    """21: text regressors; every penalty in `alphas` is tried on validation rows."""

    needs = ("01-questions",)
    products = ("predictions/mean.npz", "predictions/tfidf-svd-ridge.npz")

    max_features: Count
    components: Count
    alphas: tuple[float, ...]
    seeds: Seeds


class Comparison(Parameters):
    """Bootstrap over test questions, shared by the two comparisons."""

    resamples: Count
    seed: int


class TagsComparison(Comparison):
    """19: all tag systems of the profile on the same test rows."""

    needs = ("01-questions", "03-tag-centroids", "1[1-4]-*")
    products = ("tables/tags-summary.csv", "figures/tags-per-label.png")


class ScoresComparison(Comparison):
    """29: all score systems of the profile on the same test rows."""

    needs = ("01-questions", "2[1-2]-*")
    products = ("tables/scores-summary.csv", "figures/scores-predicted-actual.png")


NOTEBOOKS: dict[str, type[Parameters]] = {
    "01-questions": Questions,
    "02-embeddings": Embeddings,
    "03-tag-centroids": TagCentroids,
    "13-tags-neural": TagsNeural,
    "19-tags-comparison": TagsComparison,
    "21-scores-traditional": ScoresTraditional,
    "29-scores-comparison": ScoresComparison,
}
