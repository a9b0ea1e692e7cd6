from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.questions.text import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("bare words", "bare words"),
        ("<p>one</p>\n\n<p>two\nlines</p>", "one\ntwo lines"),
        ("<p>a <b>bold</b> <a href='http://x.y/?a=1&amp;b=2'>link</a></p>", "a bold link"),
        ("<p>use <code>a &lt; b</code> here</p>", "use `a < b` here"),
        ("<ul>\n<li>one</li>\n<li>two<br>three</li>\n</ul>", "one\ntwo\nthree"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"),
        ("<div><p>in</p></div>after", "in\nafter"),
        ("AT&amp;T &eacute; &#8364; &amp;lt;", "AT&T é € &lt;"),
        ("one&nbsp;two", "one two"),
        ("damaged \ufffd stays", "damaged \ufffd stays"),
        ("<p>unclosed <p>paragraph <b>bold", "unclosed\nparagraph bold"),
        ("a<!-- hidden --><script>alert(1)</script>b", "ab"),
        ('<IMG alt="a > b" src=x>see 1 < 2 and 3 <4', "see 1 < 2 and 3 <4"),
        ("<pre>\na\r\n  b</pre>", "```\na\n  b\n```"),
        ("<p><code>x<b>y</b></code> &quot;&amp;quot;&quot;", '`xy` "&quot;"'),
    ],
)
def test_cases(html, text):
    assert html_to_text(html) == text


def test_block_code_is_kept_to_the_letter():
    code = "if a < b:\n\n    print('``')  # &amp;\n\ttab  "
    block = f"<pre class='lang-py'><code>{escape(code)}\n</code></pre>"
    html = f"<p>So:</p>\n{block}\n<p>end</p>"
    assert html_to_text(html) == f"So:\n```\n{code}\n```\nend"


def test_deep_nesting_is_no_problem():
    assert html_to_text("<b>" * 5_000 + "deep" + "</b>" * 5_000) == "deep"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&")))
def test_text_without_markup_keeps_its_words(text):
    assert html_to_text(text) == " ".join(text.split())


@given(st.text(alphabet="<>/&;pre code#x1\"'=\n", max_size=60))
def test_any_tag_soup_is_read(html):
    assert isinstance(html_to_text(html), str)
