"""Checks on the embeddings: how near neighbours are, how many dimensions matter, what truncation cuts."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stackstudy.figures.data import series
from stackstudy.figures.drawing import draw_lines, label_axes
from stackstudy.figures.style import BLUE, FULL, INK, canvas, styled


@styled
def nearest_cosine(values: Mapping[str, ArrayLike]) -> Figure:
    """Histograms of the cosine similarity to the nearest neighbour, one row a stream: name -> (n,)."""
    streams = series(values, "nearest-neighbour cosine")
    figure, axes = canvas(FULL, 0.75 + 0.75 * len(streams), len(streams), sharex=True, squeeze=False)
    low = min(cosines.min() for cosines in streams.values())
    edges = np.linspace(np.floor(min(low, 0.9) * 20) / 20, 1, 61)
    for ax, (name, cosines) in zip(axes[:, 0], streams.items(), strict=True):
        cosines = np.minimum(cosines, 1)  # rounding of float16 vectors can pass 1
        ax.hist(cosines, bins=edges, weights=np.full(cosines.size, 100 / cosines.size), color=BLUE)
        ax.axvline(np.median(cosines), color=INK, lw=0.7)
        ax.set_title(f"{name}, median {np.median(cosines):.2f}", loc="left", pad=2)
        ax.set_xlim(edges[0], 1)
        ax.set_ylabel("texts (%)")
    axes[-1, 0].set_xlabel("cosine similarity to the nearest neighbour")
    return figure


@styled
def pca_variance(cumulative: Mapping[str, ArrayLike]) -> Figure:
    """Cumulative explained variance by number of principal components: stream -> (components,) shares of 1."""
    streams = series(cumulative, "explained variance")
    figure, ax = canvas(FULL, 2.5)
    ax.set_ylim(0, 100)
    draw_lines(ax, {name: (np.arange(1, s.size + 1), 100 * s) for name, s in streams.items()}, points=8)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    label_axes(ax, "principal components", "variance explained (%)")
    return figure
