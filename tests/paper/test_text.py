"""Numbers and tables as printed."""

import math

import pypandoc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackstudy.paper import text


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0.7124, 3, ".712"),
        (-0.0204, 3, "−.020"),
        (-0.0002, 3, ".000"),
        (137.568, 2, "137.57"),
        (12345.6, 1, "12,345.6"),
        (1, 0, "1"),
        (0, 0, "0"),
        (0.2, 0, "0"),
        (0.9996, 3, "1.000"),
    ],
)
def test_f(value, digits, shown):
    assert text.f(value, digits) == shown


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_f_reads_back(value, digits):
    read = float(text.f(value, digits).replace("−", "-").replace(",", ""))
    assert math.isclose(read, round(value, digits), abs_tol=10**-digits)


@pytest.mark.parametrize(("value", "shown"), [(0.0123, "+.012"), (-0.0123, "−.012"), (0.0001, ".000")])
def test_signed(value, shown):
    assert text.signed(value, 3) == shown


def test_percent_and_thousands():
    assert text.percent(0.3842) == "38%"
    assert text.percent(-0.3842, 1) == "−38.4%"
    assert text.thousands(-27487) == "−27,487"


def test_text_is_no_number():
    with pytest.raises(ValueError, match="expected a number, found 'x'"):
        text.f("x", 2)


@pytest.mark.parametrize(("values", "digits"), [([0.7, -9.99], 3), ([12.0], 2), ([-150, 2.0], 1), ([math.nan], 3)])
def test_digits_fit_the_largest(values, digits):
    assert text.fitting_digits(values) == digits


@pytest.mark.parametrize(
    ("name", "shown"),
    [("f1_weighted", "F1 weighted"), ("r2", "R²"), ("mean_cosine", "Mean cosine"), ("tf-idf_rmse", "Tf idf RMSE")],
)
def test_heading(name, shown):
    assert text.heading(name) == shown


def csv_file(folder, content):
    path = folder / "sizes.csv"
    path.write_text(content)
    return path


def test_table_aligns_rounds_and_joins_intervals(tmp_path):
    path = csv_file(tmp_path, "system,f1,f1_low,f1_high,questions\nmlp,.7124,.7,.725,12000\nnone,,,,7\n")
    assert text.pipe_table(path).splitlines() == [
        "| System | F1 | Questions |",
        "| :--- | ---: | ---: |",
        "| mlp | .712 [.700, .725] | 12,000 |",
        "| none | – | 7 |",
    ]


def test_means_of_counts_have_no_digits_where_all_are_whole(tmp_path):
    path = csv_file(tmp_path, "whole,half,share,missing\n6.999999999999999,2.5,1.0,2.0\n3.0,2.0,0.0,nan\n")
    rows = text.pipe_table(path).splitlines()[2:]
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        ["7", "2.500", "1.000", "2.000"],
        ["3", "2.000", ".000", "–"],
    ]


def test_table_of_some_columns_and_rows(tmp_path):
    path = csv_file(tmp_path, "a,b,c\n1,x,3\n2,y,4\n")
    assert text.pipe_table(path, columns=["c", "a"], rows=1).splitlines() == [
        "| C | A |",
        "| ---: | ---: |",
        "| 3 | 1 |",
    ]
    with pytest.raises(ValueError, match="table sizes has no column d; there are: a, b, c"):
        text.pipe_table(path, columns=["d"])


def test_ragged_table_names_file_and_line(tmp_path):
    with pytest.raises(ValueError, match=r"sizes.csv, line 3: 1 cells, the first line has 2"):
        text.pipe_table(csv_file(tmp_path, "a,b\n1,2\n3\n"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("ab1 *_|`[]@#<>{}$\\~^+-!.&'\"", min_size=1, max_size=12), min_size=1, max_size=3))
def test_cells_are_printed_as_they_are(texts):
    """Tag names are full of markup; pandoc must give back what went in."""
    words = ["".join(text_.split()) or "x" for text_ in texts]
    markdown = " ∘ ".join(text.escape(word) for word in words)
    assert pypandoc.convert_text(markdown, "plain-smart", format="markdown", extra_args=["--wrap=none"]).strip() == (
        " ∘ ".join(words)
    )
