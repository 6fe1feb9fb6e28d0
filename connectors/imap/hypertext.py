"""The words a reader of an HTML mail sees: no scripts, no styles, nothing hidden. Never fetches anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

SILENT = frozenset({"script", "style", "head", "title", "template", "noscript", "object", "svg", "math", "select"})
BLOCKS = frozenset(
    "address article aside blockquote body br div dl dt dd footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre"
    " section table tr ul".split()
)
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_HIDDEN_STYLE = re.compile(
    r"display:none|visibility:(hidden|collapse)|mso-hide:all|opacity:0(\.0+)?(;|$)|font-size:0(\.0+)?(px|pt|em|rem|%)?(;|$|!)"
    r"|(max-)?(height|width):0(px)?(;|$|!)[^\"]*overflow:hidden|text-indent:-\d{3,}|(left|top):-\d{3,}"
)
MOST_DEEP = 400


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[tuple[str, bool]] = []  # tag, and whether it is hidden

    @property
    def is_hidden(self) -> bool:
        return bool(self.open) and self.open[-1][1]

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in BLOCKS and not self.is_hidden:
            self.parts.append("\n")
        if tag in VOID or len(self.open) >= MOST_DEEP:
            return
        self.open.append((tag, self.is_hidden or tag in SILENT or _is_hidden(dict(attrs))))

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in BLOCKS and not self.is_hidden:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        names = [name for name, _ in self.open]
        if tag in names:
            del self.open[len(names) - 1 - names[::-1].index(tag) :]
        if tag in BLOCKS and not self.is_hidden:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.is_hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    style = re.sub(r"/\*.*?\*/|\s+", "", attributes.get("style") or "").lower()
    return "hidden" in attributes or _HIDDEN_STYLE.search(style) is not None


def text_of(html: str) -> str:
    """Lines as they would be shown; at most one empty line between them."""
    reader = _Reader()
    try:
        reader.feed(html)
        reader.close()
    except (AssertionError, ValueError):  # what it read so far is what there is
        pass
    lines = [" ".join(line.split()) for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
