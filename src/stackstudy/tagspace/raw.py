"""The raw tags as a label space of their own: what tag recommenders predict, without centroids in between."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from stackstudy.tagspace.kmeans import unit_vectors
from stackstudy.tagspace.space import TagSpace

LEAST = 5  # labels: as many as are looked at


def raw_space(space: TagSpace, questions: pl.DataFrame, tag_vectors: np.ndarray, minimum_count: int) -> TagSpace:
    """Return the space in which each tag of `minimum_count` or more training questions is a label, frequent ones first.

    `space` knows how often each of t tags stands on training questions, `tag_vectors` (t, d) are in its order. A tag is
    its own centroid, and rarer tags are no label. ValueError: vectors and tags do not fit, or hardly a tag is left.
    """
    if len(tag_vectors) != len(space.tags):
        raise ValueError(f"{len(tag_vectors)} tag vectors do not fit {len(space.tags)} tags: embed them again")
    kept = space.tags.with_row_index("row").filter(pl.col("count") >= minimum_count)
    kept = kept.sort("count", "tag", descending=[True, False])
    if len(kept) < LEAST:
        raise ValueError(
            f"only {len(kept)} tags are on {minimum_count} or more training questions: lower minimum_count"
        )
    names = kept["tag"].to_list()
    number = pl.col("tag").replace_strict(names, np.arange(len(names)), default=None, return_dtype=pl.Int32)
    tags = space.tags.select("tag", "count", kept=number.is_not_null(), centroid=number, cosine=pl.lit(1, pl.Float32))
    own = TagSpace(names, unit_vectors(tag_vectors[kept["row"].to_numpy()]).astype(np.float32), tags, space.labels)
    return TagSpace(own.names, own.centroids, own.tags, own.labels_of(questions["tags"]))


def representatives(space: TagSpace, raw: TagSpace) -> Sequence[int | None]:
    """Return the raw label of the most frequent tag of each centroid of `space`; None where it is too rare for one."""
    order = space.tags.drop_nulls("centroid").sort("count", "tag", descending=[True, False])
    first = dict(order.unique("centroid", keep="first", maintain_order=True).select("centroid", "tag").iter_rows())
    return [raw.label_of.get(first[centroid]) for centroid in range(len(space.names))]
