"""What no finished paper may hold: open references, empty numbers, template marks, a figure shown twice."""

import re
from collections import Counter

LEFTOVERS = {
    r"\?\?|¿": "an open reference",
    r"@(?:[Ff]ig|[Tt]bl|[Ee]q|[Ss]ec|[Ll]st):[\w-]+": "a reference that nothing resolved",
    r"\[@[^\]\s]+\]": "a citation that nothing resolved",
    r"\{#[\w:-]+\}": "a label that nothing took",
    r"\{\{|\}\}|\{%|%\}": "a mark of the templates",
    r"\b(?:nan|NaN|inf)\b": "a number that is none",
}


def check_text(text: str) -> None:
    """Raise a ValueError that lists all leftovers in an HTML or plain text of the paper, with the words around."""
    pictures = Counter(re.findall(r'<img[^>]*\ssrc="([^"]+)"', text))
    found = [f"the same figure {count} times" for count in pictures.values() if count > 1]
    visible = re.sub(r"<(style|script|code|pre|annotation)\b.*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL)
    for pattern, meaning in LEFTOVERS.items():
        for match in re.finditer(pattern, visible):
            around = " ".join(visible[max(0, match.start() - 30) : match.end() + 30].split())
            found.append(f"{meaning}: {around!r}")
    if found:
        raise ValueError("the paper is not clean:\n  " + "\n  ".join(found))
