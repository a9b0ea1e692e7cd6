"""HTML of a post to plain text: code stays marked, everything else becomes lines of words."""

from typing import Any

from selectolax.lexbor import LexborHTMLParser

BLOCKS = frozenset(
    [
        *("address", "article", "aside", "blockquote", "br", "details", "div", "figure", "footer", "header", "hr", "p"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "section", "summary", "table", "tbody", "thead", "tr"),
        *("dl", "dt", "dd", "ol", "ul", "li"),
    ]
)
CELLS = frozenset(["td", "th"])
UNSEEN = frozenset(["script", "style"])


def html_to_text(html: str) -> str:
    """Return the text of an HTML fragment, a line per paragraph, list item or table row.

    A ``pre`` block is kept as it is between triple-backtick fences, ``code`` within a line gets single backticks,
    links and emphasis leave their text, entities are decoded. Outside of ``pre``, white space (no-break spaces too)
    becomes single spaces. No other character is changed: U+FFFD stays U+FFFD.
    """
    body = LexborHTMLParser(html).body
    node: Any = None if body is None else body.first_child
    lines: list[str] = []
    line: list[str] = []
    while node is not None:
        tag = node.tag
        if tag == "-text":
            line.append(node.text_content)
        elif tag == "code":
            line.append(f"`{node.text()}`")
        elif tag == "pre":
            _end_line(lines, line)
            lines.append(f"```\n{node.text().removesuffix(chr(10))}\n```")
        else:
            if tag in BLOCKS:
                _end_line(lines, line)
            elif tag in CELLS:
                line.append(" ")
            if tag not in UNSEEN and (child := node.first_child) is not None:
                node = child
                continue
        node = _following(node, lines, line)
    return "\n".join(lines)


def _following(node: Any, lines: list[str], line: list[str]) -> Any:
    """Return the next sibling of `node` or of its nearest parent that has one; end the lines of those parents."""
    while (sibling := node.next) is None:
        node = node.parent
        tag = node.tag
        if tag in BLOCKS or tag == "body":
            _end_line(lines, line)
        if tag == "body":
            return None
    return sibling


def _end_line(lines: list[str], line: list[str]) -> None:
    if line:
        if words := "".join(line).split():
            lines.append(" ".join(words))
        line.clear()
