import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.attention import Attended
from stackstudy.figures import comparison

NETWORKS = {
    "body-mlp": "body-mlp",
    "dsf-mhsa": "dsf-mhsa",
    "dsf-mhsa-published": "dsf-mhsa",
    "dsf-crossattn-manifold": "dsf-crossattn",
    "dsf-crossattn": "dsf-crossattn",
    "dsf-crossattn-published": "dsf-crossattn",
    "sequence-dsf": "sequence-dsf",
    "sequence-bce-weighted": "sequence-dsf",
    "sequence-focal": "sequence-dsf",
    "sequence-focal-smoothed": "sequence-dsf",
}
LOSSES = list(NETWORKS)[6:]


def history(systems: list[str], seeds: int, epochs: int) -> pl.DataFrame:
    rows = [
        {
            "system": system,
            "architecture": NETWORKS[system],
            "seed": seed,
            "epoch": epoch,
            "train_loss": 0.1 * 0.9**epoch,
            "validation_loss": 0.1 * 0.95**epoch + 0.01 * place,
            "validation_f1_micro": 0.7 + 0.01 * place - 0.5 * 0.8**epoch,
        }
        for place, system in enumerate(systems)
        for seed in range(seeds)
        for epoch in range(1, epochs + 1 + seed + place)
    ]
    return pl.DataFrame(rows)


def curves(systems: list[str]) -> dict[str, dict]:
    cuts = np.linspace(0, 1, 101)
    return {
        name: {"thresholds": cuts, "f1_micro": 0.7 - (cuts - 0.2 * place) ** 2, "chosen": 0.2 * place}
        for place, name in enumerate(systems)
    }


def bins(systems: list[str], count: int) -> pl.DataFrame:
    names = ["0-9", "10-29", "30-99", "100-299", "300-999", "1000+"][:count]
    rows = [
        {"system": system, "training_questions": name, "labels": 10 + at, "f1": 0.1 * at + 0.02 * place}
        for place, system in enumerate(systems)
        for at, name in enumerate(names)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize("systems", [list(NETWORKS), ["body-mlp"], ["body-mlp", "dsf-mhsa", "sequence-focal"]])
@pytest.mark.parametrize(("seeds", "epochs"), [(1, 1), (3, 30)])
def test_validation_curves(systems, seeds, epochs, check_figure):
    figure = comparison.validation_curves(history(systems, seeds, epochs))
    check_figure(figure)
    assert [ax.get_title("left") for ax in figure.axes] == sorted({NETWORKS[system] for system in systems})


def test_validation_curves_name_what_sets_a_system_apart():
    figure = comparison.validation_curves(history(list(NETWORKS), 1, 5))
    texts = [[text.get_text() for text in ax.texts if text.get_text()] for ax in figure.axes]
    assert texts[1:] == [
        ["dsf-crossattn", "manifold", "published"],
        ["dsf-mhsa", "published"],
        ["sequence-dsf", "bce-weighted", "focal", "focal-smoothed"],
    ]


@pytest.mark.parametrize("count", [1, 4])
def test_loss_study(count, check_figure):
    figure = comparison.loss_study(curves(LOSSES[:count]), history(list(NETWORKS), 2, 20))
    check_figure(figure)
    chosen = [line.get_xdata() for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(np.ravel(chosen), 0.2 * np.arange(count))


def test_loss_study_needs_both_sides():
    with pytest.raises(ValueError, match="no history of sequence-focal"):
        comparison.loss_study(curves(LOSSES), history(LOSSES[:2] + LOSSES[3:], 1, 3))
    with pytest.raises(ValueError, match="no history of any system"):
        comparison.loss_study({}, history(LOSSES, 1, 3))


@pytest.mark.parametrize(("systems", "count"), [(1, 1), (4, 6)])
def test_f1_by_frequency_of_systems(systems, count, check_figure):
    check_figure(comparison.f1_by_frequency_of_systems(bins(list(NETWORKS)[:systems], count)))


def test_systems_with_other_bins_are_refused():
    frame = pl.concat([bins(["a"], 3), bins(["b"], 2)])
    with pytest.raises(ValueError, match="the same bins"):
        comparison.f1_by_frequency_of_systems(frame)


@pytest.mark.parametrize("count", [1, 40, 100])
def test_label_confusion(count, names, check_figure):
    centroids = np.random.default_rng(0).normal(size=(count, 8))
    check_figure(comparison.label_confusion(0.8 * np.eye(count), names(count), centroids))


def test_related_labels_are_neighbours_in_the_confusion():
    centroids = np.eye(2)[[0, 1, 0, 1]] + 0.01 * np.arange(8).reshape(4, 2)
    figure = comparison.label_confusion(np.eye(4), ["a", "b", "c", "d"], centroids)
    shown = "".join(text.get_text() for text in figure.axes[0].get_yticklabels())
    assert shown in ("acbd", "acdb", "cabd", "cadb", "bdac", "dbac", "bdca", "dbca")


def test_label_confusion_checks_its_shapes():
    with pytest.raises(ValueError, match=r"got 2 names, 3 centroids and shares of shape \(2, 2\)"):
        comparison.label_confusion(np.eye(2), ["a", "b"], np.eye(3))


@pytest.mark.parametrize("pieces", [[1], [5, 5, 6], [16, 3, 5]])
def test_attention(pieces, check_figure):
    long = "A title that goes on and on, far beyond what any figure could hold in a single line of it, and more"
    examples = [
        Attended(long, tuple(f"piece {i} of a text with many words in it that say little" for i in range(n)), weights)
        for n in pieces
        for weights in [np.random.default_rng(n).dirichlet(np.ones(n), size=8)]
    ]
    check_figure(comparison.attention(examples))


def test_empty_inputs_are_named():
    with pytest.raises(ValueError, match="there are no questions"):
        comparison.attention([])
    with pytest.raises(ValueError, match="no rows"):
        comparison.validation_curves(history(LOSSES, 1, 2).clear())


@pytest.mark.parametrize(
    ("draw", "frame"),
    [
        (comparison.validation_curves, history(list(NETWORKS), 2, 5)),
        (lambda frame: comparison.loss_study(curves(LOSSES), frame), history(LOSSES, 2, 5)),
    ],
)
def test_the_order_of_rows_changes_no_byte(draw, frame, png_bytes):
    assert png_bytes(draw(frame)) == png_bytes(draw(frame.sample(fraction=1, shuffle=True, seed=0)))
