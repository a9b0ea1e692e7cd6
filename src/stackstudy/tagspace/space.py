"""The label space: tags folded into semantic centroids, and the centroids of every question."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from scipy.sparse import csr_array, load_npz, save_npz

from stackstudy.paths import replacing
from stackstudy.tagspace.kmeans import assign, recursive_kmeans, unit_vectors

FILES = ("centroids.npy", "tags.parquet", "labels.npz", "names.json")


@dataclass(frozen=True)
class TagSpace:
    """k centroids and what they label.

    `names` (k, unique), `centroids` (k, d) float32 of unit length, `labels` CSR bool (n_rows, k), and `tags`: tag,
    count (training questions that carry it), kept (took part in the clustering), centroid (null: the tag is no label),
    cosine to the nearest one.
    """

    names: list[str]
    centroids: np.ndarray
    tags: pl.DataFrame
    labels: csr_array

    @property
    def label_of(self) -> dict[str, int]:
        """Return the centroid of each tag that has one."""
        return dict(self.tags.drop_nulls("centroid").select("tag", "centroid").iter_rows())

    def labels_of(self, tags: pl.Series) -> csr_array:
        """Return the labels of questions by their `tags` (n lists), CSR bool (n, k); an unknown tag is no label."""
        return _labels(tags, self.label_of, len(self.names))

    def nearest_centroids(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the k centroids nearest to each vector (n, d), best first, int32 (n, k), and their cosines (n, k).

        ValueError if there are fewer than k centroids, or for a vector without direction.
        """
        if not 1 <= k <= len(self.names):
            raise ValueError(f"cannot name {k} centroids for a vector: this tag space has {len(self.names)}")
        cosines = unit_vectors(vectors) @ self.centroids.T
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return order.astype(np.int32), np.take_along_axis(cosines, order, axis=1).astype(np.float32)

    def rejoined(self, questions: pl.DataFrame, tag_vectors: np.ndarray, orphan_cosine: float) -> "TagSpace":
        """Return the space that `build_tagspace` would have made with another `orphan_cosine`: centroids stay.

        `tag_vectors` (t, d) in the order of `tags`. ValueError: there are more or fewer of them.
        """
        if len(tag_vectors) != len(self.tags):
            raise ValueError(f"{len(tag_vectors)} tag vectors do not fit {len(self.tags)} tags: embed them again")
        nearest = pl.Series(self.nearest_centroids(tag_vectors, 1)[0][:, 0], dtype=pl.Int32)
        owned = self.tags.with_columns(pl.when("kept").then("centroid").otherwise(nearest).alias("centroid"))
        space = replace(self, tags=_joined(owned, orphan_cosine))
        return replace(space, labels=space.labels_of(questions["tags"]))

    def summary(self) -> pl.DataFrame:
        """Return one row a centroid: centroid, name, top_tags (5 most frequent), tags, questions, mean_cosine."""
        members = (
            self.tags.drop_nulls("centroid")
            .sort(["count", "tag"], descending=[True, False])
            .group_by("centroid", maintain_order=True)
            .agg(
                pl.col("tag").head(5).str.join(", ").alias("top_tags"),
                pl.len().cast(pl.Int64).alias("tags"),
                pl.col("cosine").mean().alias("mean_cosine"),
            )
        )
        rows = pl.DataFrame(
            {
                "centroid": np.arange(len(self.names), dtype=np.int32),
                "name": self.names,
                "questions": np.asarray(self.labels.sum(axis=0), dtype=np.int64).ravel(),
            }
        )
        joined = rows.join(members, on="centroid", how="left", maintain_order="left")
        return joined.select("centroid", "name", "top_tags", "tags", "questions", "mean_cosine")

    def metrics(self) -> dict[str, Any]:
        """Return what the paper says of the tag space: sizes, labels a question, how tight the centroids are."""
        kept, orphans = self.tags.filter("kept"), self.tags.filter(~pl.col("kept"))
        return {
            "centroids": len(self.names),
            "tags": self.tags.height,
            "kept_tags": kept.height,
            "orphan_tags": orphans.height,
            "joined_orphan_tags": orphans["centroid"].count(),
            "kept_share": float(kept["count"].sum() / self.tags["count"].sum()),
            "labels_per_question": float(self.labels.sum() / self.labels.shape[0]),
            "unlabelled_share": float((self.labels.sum(axis=1) == 0).mean()),
            "mean_cosine_kept": float(kept["cosine"].mean()),
        }

    def save(self, folder: Path) -> None:
        """Write the four files of the tag space; the folder is replaced as a whole."""
        with replacing(Path(folder)) as fresh:
            fresh.mkdir()
            np.save(fresh / "centroids.npy", self.centroids)
            self.tags.write_parquet(fresh / "tags.parquet")
            save_npz(fresh / "labels.npz", self.labels)
            (fresh / "names.json").write_text(json.dumps(self.names, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; FileNotFoundError or ValueError names the file that is missing or does not fit."""
        folder = Path(folder)
        if missing := [name for name in FILES if not (folder / name).exists()]:
            raise FileNotFoundError(f"{folder} is no tag space: {', '.join(missing)} missing; run 03-tag-centroids")
        names = json.loads((folder / "names.json").read_text("utf-8"))
        labels = csr_array(load_npz(folder / "labels.npz"))
        space = cls(names, np.load(folder / "centroids.npy"), pl.read_parquet(folder / "tags.parquet"), labels)
        if not len(space.names) == len(space.centroids) == labels.shape[1]:
            raise ValueError(
                f"{folder}: names.json has {len(names)} centroids, centroids.npy {len(space.centroids)}, "
                f"labels.npz {labels.shape[1]}; run 03-tag-centroids again"
            )
        return space


def build_tagspace(
    questions: pl.DataFrame,
    tag_names: Sequence[str],
    tag_vectors: np.ndarray,
    *,
    centroids: int,
    minimum_count: int,
    orphan_cosine: float,
    branching: int,
    restarts: int,
    seed: int,
) -> TagSpace:
    """Cluster the tags of `minimum_count` or more training questions, and label every question.

    The study counted tags over all its questions; here only training rows count, so that nothing of the validation
    or test rows enters the label space. Kept tags are clustered without weights, by the vectors (t, d) of their names;
    a centroid is named after its member nearest to it; another tag (an orphan) joins the centroid nearest to it where
    their cosine reaches `orphan_cosine`, and is no label elsewhere: in the study all of them joined (-1). Centroids are
    numbered by the training uses of their kept tags, most first, ties by name.
    """
    names = list(tag_names)
    counts = _training_counts(questions, names, len(tag_vectors))
    kept = np.flatnonzero(counts >= minimum_count)
    if kept.size < centroids:
        raise ValueError(
            f"only {kept.size} tags are on {minimum_count} or more training questions, too few for {centroids} "
            "centroids: lower minimum_count or centroids, or take more questions"
        )
    points = unit_vectors(tag_vectors)
    clustering = recursive_kmeans(points[kept], centroids, branching=branching, restarts=restarts, seed=seed)
    owner, _ = assign(points, clustering.centroids)
    owner[kept] = clustering.assignment
    cosines = np.einsum("td,td->t", points, clustering.centroids[owner])
    titles = [_nearest_member(names, kept[owner[kept] == centroid], cosines) for centroid in range(centroids)]
    uses = np.bincount(owner[kept], counts[kept], centroids)
    order = sorted(range(centroids), key=lambda centroid: (-uses[centroid], titles[centroid]))
    tags = pl.DataFrame(
        {
            "tag": names,
            "count": counts,
            "kept": counts >= minimum_count,
            "centroid": np.argsort(order).astype(np.int32)[owner],
            "cosine": cosines.astype(np.float32),
        }
    )
    tags = _joined(tags, orphan_cosine)
    labels = _labels(questions["tags"], dict(tags.select("tag", "centroid").iter_rows()), centroids)
    return TagSpace([titles[each] for each in order], clustering.centroids[order].astype(np.float32), tags, labels)


def _training_counts(questions: pl.DataFrame, names: list[str], vectors: int) -> np.ndarray:
    """Return on how many training questions each tag stands, int64 (t,); ValueError for a tag without a vector."""
    if len(names) != vectors or len(set(names)) != len(names):
        raise ValueError(f"{len(names)} tag names ({len(set(names))} distinct) do not fit {vectors} tag vectors")
    if unknown := set(questions["tags"].explode().unique()) - set(names):
        raise ValueError(
            f"{len(unknown)} tags of the questions have no vector, for example {min(unknown)}: "
            "embed these questions again (notebook 02-embeddings)"
        )
    training = questions.filter(pl.col("split") == "train")["tags"].explode().value_counts()
    counts = dict(training.iter_rows())
    return np.array([counts.get(name, 0) for name in names], dtype=np.int64)


def _nearest_member(names: list[str], members: np.ndarray, cosines: np.ndarray) -> str:
    """Return the member with the largest cosine to its centroid, ties by name."""
    return min((-round(float(cosines[member]), 12), names[member]) for member in members)[1]


def _joined(tags: pl.DataFrame, orphan_cosine: float) -> pl.DataFrame:
    """Take the centroid from tags that are neither kept nor near enough to it."""
    member = pl.col("kept") | (pl.col("cosine") >= orphan_cosine)
    return tags.with_columns(pl.when(member).then("centroid").alias("centroid"))


def _labels(tags: pl.Series, centroid_of: Mapping[str, int | None], centroids: int) -> csr_array:
    """Return CSR bool (n, centroids): True where one of a question's `tags` (n lists) belongs to the centroid."""
    columns = [sorted({centroid_of.get(tag) for tag in row} - {None}) for row in tags.to_list()]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in columns])]).astype(np.int64)
    indices = np.array([column for row in columns for column in row], dtype=np.int64)
    return csr_array((np.ones(indices.size, dtype=bool), indices, indptr), shape=(len(columns), centroids))
