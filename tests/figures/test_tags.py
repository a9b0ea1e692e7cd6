import numpy as np
import polars as pl
import pytest

from stackstudy.figures import tags


def history(seeds: int, epochs: int) -> pl.DataFrame:
    rows = [
        {
            "seed": seed,
            "epoch": epoch,
            "train_loss": 0.1 * 0.9**epoch + 0.001 * seed,
            "validation_loss": 0.1 * 0.95**epoch + 0.01,
            "validation_f1_micro": 0.7 - 0.001 * (epoch - 12 - seed) ** 2,
        }
        for seed in range(seeds)
        for epoch in range(1, epochs + 1)
    ]
    return pl.DataFrame(rows)


def labels(names: list[str]) -> pl.DataFrame:
    rng = np.random.default_rng(2)
    count = len(names)
    values = {name: rng.random(count) for name in ("precision", "recall", "f1")}
    support = 90000 // np.arange(1, count + 1)
    return pl.DataFrame({"label": names, **values, "training_support": 5 * support, "support": support})


def systems(names: list[str]) -> pl.DataFrame:
    value = np.linspace(0.1, 0.72, len(names))
    return pl.DataFrame(
        {"system": names, "f1_weighted": value, "f1_weighted_low": value - 0.01, "f1_weighted_high": value + 0.02}
    )


@pytest.mark.parametrize(("seeds", "epochs"), [(1, 1), (1, 30), (5, 30)])
def test_learning_curve(seeds, epochs, check_figure):
    check_figure(tags.learning_curve(history(seeds, epochs)))


def test_learning_curve_marks_the_best_epoch_of_each_seed():
    marks = tags.learning_curve(history(3, 30)).axes[1].lines[-1]
    assert list(marks.get_xdata()) == [12, 13, 14]


@pytest.mark.parametrize("count", [1, 3, 100])
def test_per_label_shows_the_ends(count, names, check_figure):
    frame = labels(names(count))
    figure = tags.per_label(frame)
    check_figure(figure)
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(shown) == min(count, 24)
    best = frame.sort("f1")["label"][-1]
    assert best.startswith(shown[0].removesuffix("…"))


@pytest.mark.parametrize("count", [1, 100])
def test_f1_by_frequency(count, names, check_figure):
    check_figure(tags.f1_by_frequency(labels(names(count))))


@pytest.mark.parametrize("thresholds", [[0.5], [0.4, 0.5, 0.6], np.linspace(0.01, 0.99, 99)])
def test_threshold_curve(thresholds, check_figure):
    figure = tags.threshold_curve(thresholds, 0.7 - (np.asarray(thresholds) - 0.4) ** 2, 0.5)
    check_figure(figure)
    assert figure.axes[0].get_title("right") == "◆ chosen 0.50, F1 0.690"


def test_threshold_outside_the_curve_is_an_error():
    with pytest.raises(ValueError, match=r"chosen threshold 0\.9 lies outside"):
        tags.threshold_curve([0.1, 0.5], [0.3, 0.4], 0.9)


@pytest.mark.parametrize("count", [[4], [0, 3, 2], [10**6, 5000, 1]])
def test_reliability(count, check_figure):
    middle = np.linspace(0.1, 0.9, len(count))
    check_figure(tags.reliability(pl.DataFrame({"predicted": middle, "observed": middle**2, "count": count})))


@pytest.mark.parametrize("count", [1, 59])
def test_confusion(count, names, check_figure):
    check_figure(tags.confusion(np.eye(count) * 50 + 1, names(count)))


def test_confusion_checks_its_shape():
    with pytest.raises(ValueError, match=r"for 1 names, got shape \(2, 2\)"):
        tags.confusion(np.eye(2), ["a"])


@pytest.mark.parametrize("count", [1, 14])
def test_systems_summary_has_the_best_on_top(count, names, check_figure):
    figure = tags.systems_summary(systems(names(count)))
    check_figure(figure)
    dots = figure.axes[0].lines[0]
    assert dots.get_xdata()[0] == max(dots.get_xdata())


@pytest.mark.parametrize(
    ("draw", "make"),
    [
        (tags.learning_curve, lambda names: history(3, 12)),
        (tags.per_label, lambda names: labels(names(30))),
        (tags.f1_by_frequency, lambda names: labels(names(30))),
        (tags.systems_summary, lambda names: systems(names(4))),
    ],
)
def test_tables(draw, make, names, png_bytes):
    frame = make(names)
    assert png_bytes(draw(frame)) == png_bytes(draw(frame.sample(fraction=1, shuffle=True, seed=0)))
    with pytest.raises(ValueError, match="no rows"):
        draw(frame.clear())
    with pytest.raises(ValueError, match="is missing; the table has"):
        draw(frame.select(frame.columns[0]))
