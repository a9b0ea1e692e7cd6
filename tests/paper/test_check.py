"""The check after the build."""

import pytest

from stackstudy.paper.check import check_text

CLEAN = '<p>Figure 1 shows 12% [@] of it? <code>a ?? b {{ x }}</code></p><img src="a.png" alt="A" /><img src="b.png" />'


def test_clean_text_passes():
    check_text(CLEAN)


@pytest.mark.parametrize(
    ("dirt", "what"),
    [
        ("see Table ??", "open reference"),
        ("fig. <strong>¿fig:a?</strong>", "open reference"),
        ("see @fig:loss", "nothing resolved: .*@fig:loss"),
        ("see [@Chen_2016]", r"citation that nothing resolved: .*\[@Chen_2016\]"),
        ("x = 1 {#eq:a}.", "label that nothing took"),
        ("{{ rows }}", "mark of the templates"),
        ("an F1 of nan", "number that is none"),
        ('<img class="x" src="a.png" />', "the same figure 2 times"),
    ],
)
def test_dirt_is_named_with_the_words_around(dirt, what):
    with pytest.raises(ValueError, match=what):
        check_text(f"{CLEAN}<p>{dirt}</p>")
