"""Figures to look into: SVG whose marks name themselves when pointed at. No library, and nothing to load."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from stackstudy import paths
from stackstudy.evaluation.labels import mistaken
from stackstudy.evaluation.predictions import Predictions
from stackstudy.figures.tagspace import similarity_order
from stackstudy.paper.finished import read_json
from stackstudy.questions.schema import read_questions
from stackstudy.tagspace.space import TagSpace

SIZE, MARGIN, NAMES = 640, 70, 130  # of the drawing, around the map, and for the names of rows
READABLE = 12  # height of a row that has room for its name
NAMED = 25  # tags whose names are always there: the most frequent


def drawings(profile: str) -> dict[str, str]:
    """Return the figures that the runs of a profile allow, as SVG by caption; without run folders there are none."""
    runs = paths.runs_dir(profile)
    tagspace, comparison = runs / "03-tag-centroids", runs / "19-tags-comparison"
    found = {}
    if (tagspace / "DONE").exists():
        space = TagSpace.load(tagspace / "tagspace")
        counts = np.asarray(space.labels.sum(axis=0)).ravel()
        caption = (
            "The labels in two dimensions: principal components of their centroids; an area is a number of questions."
        )
        found[caption] = tag_map(space.centroids, space.names, counts)
        if (comparison / "DONE").exists():
            best = read_json(comparison / "metrics.json")["tags"]["best"]
            questions = read_questions(runs / "01-questions" / "questions.parquet")
            shares = mistaken(_predictions(runs, best), questions, space.labels)
            found[f"What {best} takes for what, on test: rows are true labels, columns those given."] = confusion(
                shares, space.names, similarity_order(space.centroids)
            )
    return found


def tag_map(centroids: np.ndarray, names: Sequence[str], counts: np.ndarray) -> str:
    """Return unit vectors (k, d) as a map of circles, which are as large as their labels are frequent."""
    flat = PCA(2, svd_solver="full").fit_transform(centroids)
    places = MARGIN + (flat - flat.min(axis=0)) / np.maximum(np.ptp(flat, axis=0), 1e-9) * (SIZE - 2 * MARGIN)
    named = set(np.argsort(-counts, kind="stable")[:NAMED].tolist())
    largest = max(counts.max(), 1)
    marks = [
        f'<g class="mark" tabindex="0"><title>{escape(names[i])}: {counts[i]:,} questions</title>'
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{3 + 17 * np.sqrt(counts[i] / largest):.1f}"/>'
        f'<text x="{x:.0f}" y="{y:.0f}"{"" if i in named else " class=quiet"}>{escape(names[i])}</text></g>'
        for i, (x, y) in enumerate(places)
    ]
    return _svg("map", SIZE, SIZE, "Map of the labels", marks)


def confusion(shares: np.ndarray, names: Sequence[str], order: np.ndarray) -> str:
    """Return shares (k, k) as a matrix whose cells say what they are; those of 0 are left out."""
    side = max(SIZE // len(order), 5)
    left = NAMES if side >= READABLE else 0
    cells = [
        f'<rect class="mark" x="{left + column * side}" y="{row * side}" width="{side}" height="{side}" '
        f'fill-opacity="{shares[i, j] ** 0.5:.2f}"><title>{_meaning(names[i], names[j], shares[i, j])}</title></rect>'
        for row, i in enumerate(order)
        for column, j in enumerate(order)
        if shares[i, j] >= 0.005
    ]
    rows = [f'<text x="{left - 6}" y="{(row + 0.5) * side}">{escape(names[i])}</text>' for row, i in enumerate(order)]
    marks = [*cells, *rows] if left else cells
    return _svg("matrix", left + side * len(order), side * len(order), "Matrix of mistakes between labels", marks)


def _meaning(true: str, given: str, share: float) -> str:
    if true == given:
        return escape(f"{true}: found in {share:.0%} of its questions")
    return escape(f"{true} missed and {given} given instead: {share:.0%} of the questions with {true}")


def _svg(kind: str, width: int, height: int, title: str, marks: Sequence[str]) -> str:
    head = f'<svg class="drawing {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
    return head + "".join(marks) + "</svg>"


def _predictions(runs: Path, system: str) -> Predictions:
    """Return the predictions of a tag system; a score system may have the same name."""
    found = (Predictions.load(path) for path in sorted(runs.glob(f"1*/predictions/{system}.npz")))
    return next(found)
