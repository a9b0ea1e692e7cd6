"""Stack Exchange dumps: ``Posts.xml`` read in byte ranges, so that every core parses its own part of the file."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lxml import etree

from stackstudy.questions.records import Batch, Parsed

_ROW = b"<row "
_BLOCK = 1 << 16
_LONGEST_HEADER = 4096
_MARK = b'undecodable="" '
_ROOT = re.compile(rb"<([A-Za-z_][\w.-]*)[^<>]*>\s*$")


def posts_ranges(path: Path, label: str, size: int) -> Iterator[tuple[int, int]]:
    """Yield byte ranges (begin, end) of about `size` bytes that begin at a ``<row``.

    A literal ``<`` cannot stand inside an attribute, so this is always the beginning of a row. If the file is no
    Posts.xml, a ValueError is raised.
    """
    with path.open("rb") as file:
        begin = len(posts_header(path, label))
        total = file.seek(0, 2)
        while begin < total:
            end = _next_row(file, begin + size, total)
            yield begin, end
            begin = end


def posts_header(path: Path, label: str) -> bytes:
    """Return what stands before the first row: byte order mark, XML declaration and ``<posts>``."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    if not head.strip():
        raise ValueError(f"{label}: the file is empty")
    header, row, _ = head.partition(_ROW)
    if b"<!DOCTYPE" in header:  # a dump has none, and its entities could unfold to any size
        raise ValueError(f"{label}: has a document type declaration, so it is no dump of Stack Exchange")
    root = _ROOT.search(header)
    if not row and b"<posts" in head:
        raise ValueError(f"{label}: holds no rows")
    if root is None or root[1] != b"posts":
        found = f"the root element is <{root[1].decode(errors='replace')}>" if root else "there is no root element"
        raise ValueError(
            f"{label}: {found}, but the Posts.xml of a Stack Exchange dump begins with <posts> and its rows"
        )
    return header


def read_range(path: Path, label: str, batch: Callable[[], Batch], begin: int, end: int) -> Parsed:
    """Parse the rows in a byte range into a new `batch`; malformed XML is a ValueError with file and line."""
    header = posts_header(path, label)
    with path.open("rb") as file:
        file.seek(begin)
        data = file.read(end - begin)
        last = not file.read(1)
    closing = b"" if last else b"</posts>"
    try:
        return _parse(header, data + closing, _Rows(batch()))
    except etree.XMLSyntaxError as error:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return _parse_marked(path, label, batch(), header, _mark_undecodable(data) + closing, begin)
        raise _located(error, path, label, header, begin) from error


class _Rows:
    """Target of the XML parser: takes each row as it comes, no tree is built."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag != "row":
            return
        if "PostTypeId" not in attributes:
            self.batch.reject(attributes.get("Id"), "PostTypeId", "missing")
        elif "undecodable" in attributes and attributes["PostTypeId"] == "1":
            self.batch.reject(attributes.get("Id"), "row", "bytes that are not UTF-8")
        else:
            self.batch.add(attributes, html=True)

    def close(self) -> Parsed:
        return self.batch.parsed()


def _parse(header: bytes, data: bytes, rows: _Rows) -> Parsed:
    parser = etree.XMLParser(target=rows, huge_tree=True, resolve_entities="internal", no_network=True)
    parser.feed(header)
    for at in range(0, len(data), _BLOCK):
        parser.feed(data[at : at + _BLOCK])
    return parser.close()


def _parse_marked(path: Path, label: str, batch: Batch, header: bytes, data: bytes, begin: int) -> Parsed:
    try:
        return _parse(header, data, _Rows(batch))
    except etree.XMLSyntaxError as error:
        raise _located(error, path, label, header, begin) from error


def _mark_undecodable(data: bytes) -> bytes:
    """Mark the rows whose bytes are not UTF-8, and make them parseable, so that only they are rejected."""
    rows = []
    for row in re.split(rb"(?=<row )", data):
        text = row.decode("utf-8", errors="replace").encode()
        rows.append(row if text == row else text.replace(_ROW, _ROW + _MARK, 1))
    return b"".join(rows)


def _next_row(file: Any, position: int, total: int) -> int:
    """Return where the first row at or after `position` begins, or `total`."""
    overlap = b""
    file.seek(position)
    while block := file.read(_BLOCK):
        if (found := (overlap + block).find(_ROW)) >= 0:
            return position - len(overlap) + found
        position += len(block)
        overlap = block[-len(_ROW) + 1 :]
    return total


def _located(error: etree.XMLSyntaxError, path: Path, label: str, header: bytes, begin: int) -> ValueError:
    """Return the error with the line in the file instead of the line in the range."""
    line = (error.lineno or 1) - header.count(b"\n") + _newlines(path, begin)
    what = re.sub(r",? line \d+.*", "", error.msg or "not well-formed")
    return ValueError(f"{label}, line {line}: invalid or truncated XML: {what}")


def _newlines(path: Path, end: int) -> int:
    count = 0
    with path.open("rb") as file:
        while end > 0 and (block := file.read(min(_BLOCK, end))):
            count += block.count(b"\n")
            end -= len(block)
    return count
