"""HTML of a post to plain text: code stays marked, everything else becomes lines of words."""

import re
from collections.abc import Iterator
from html import unescape

BLOCKS = frozenset(
    [
        *("address", "article", "aside", "blockquote", "br", "details", "div", "figure", "footer", "header", "hr", "p"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "section", "summary", "table", "tbody", "thead", "tr"),
        *("dl", "dt", "dd", "ol", "ul", "li"),
    ]
)
CELLS = frozenset(["td", "th"])
UNSEEN = frozenset(["script", "style"])
WHOLE = UNSEEN | {"pre", "code"}  # tags inside of these leave only their text
INLINE = frozenset(["a", "b", "strong", "i", "em", "kbd", "sub", "sup", "span", "img"])
_BREAKS = BLOCKS | {f"/{tag}" for tag in BLOCKS}
_TAGS = frozenset(f"{slash}{tag}" for tag in BLOCKS | CELLS | WHOLE | INLINE for slash in ("", "/"))
_ENDS = {tag: f"/{tag}" for tag in WHOLE}
_NAME = re.compile(r"/?[a-zA-Z][^\s/>]*")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def html_to_text(html: str) -> str:
    """Return the text of an HTML fragment, a line per paragraph, list item or table row.

    A ``pre`` block is kept as it is between triple-backtick fences, ``code`` within a line gets single backticks,
    links and emphasis leave their text, entities are decoded. Outside of ``pre``, white space (no-break spaces too)
    becomes single spaces. No other character is changed: U+FFFD stays U+FFFD. Tags are taken one after the other and
    need not match, so any text is read.
    """
    parts = iter(_plain_lines(html).split("<"))
    lines: list[str] = []
    line = next(parts)
    for part in parts:
        tag, _, text = part.partition(">")
        if tag not in _TAGS:
            tag, text = _unusual(part)
        if tag in _BREAKS:
            if line and not line.isspace():
                _end_line(lines, line)
            line = text
        elif tag in WHOLE:
            content, text = _until_end(tag, text, parts)
            if tag == "code":
                line += f"`{content}`{text}"
            elif tag == "pre":
                _end_line(lines, line)
                lines.append(f"```\n{_decoded(content).removesuffix(chr(10))}\n```")
                line = text
            else:
                line += text
        else:
            line += f" {text}" if tag in CELLS else text
    _end_line(lines, line)
    return "\n".join(lines)


def _plain_lines(html: str) -> str:
    """Return HTML with line feeds as the only line ends, and without comments."""
    if "\r" in html:
        html = html.replace("\r\n", "\n").replace("\r", "\n")
    return _COMMENT.sub("", html) if "<!--" in html else html


def _unusual(part: str) -> tuple[str, str]:
    """Return the name of a tag that has attributes or is rare, and the text after it; no name if it is only a ``<``."""
    name = _NAME.match(part)
    if not name:
        return "", f"<{part}"
    tag, _, text = part.partition(">")
    while tag.count('"') % 2 and ">" in text:  # it stood inside a quoted attribute
        more, _, text = text.partition(">")
        tag += more
    return name[0].lower(), text


def _until_end(tag: str, text: str, parts: Iterator[str]) -> tuple[str, str]:
    """Take parts up to the end of the element `tag`; return its text, still with entities, and the text after it."""
    content, end, depth = text.removeprefix("\n") if tag == "pre" else text, _ENDS[tag], 1
    for part in parts:
        inner, _, text = part.partition(">")
        if inner not in _TAGS:
            inner, text = _unusual(part)
        if inner == end:
            depth -= 1
            if not depth:
                return content, text
        elif inner == tag:
            depth += 1
        content += text
    return content, ""


def _end_line(lines: list[str], line: str) -> None:
    if "&" in line:
        line = _decoded(line)
    if not line.isprintable() or "  " in line:  # of white space, only the common one is printable
        line = " ".join(line.split())
    if line := line.strip():
        lines.append(line)


def _decoded(text: str) -> str:
    """Return text with its entities decoded; the four common ones without the cost of a pattern."""
    if "&" not in text:
        return text
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    if text.count("&") == text.count("&amp;"):
        return text.replace("&amp;", "&")
    return unescape(text)
