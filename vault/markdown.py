"""Markdown of rows as safe HTML: raw HTML stays text, links say where they lead and carry no trust, pictures are not fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

LONGEST = 60_000
"""Characters from which on a text is shown as it is: nobody reads that much at once, and laying it out takes a second."""

SAFE_LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
OWN_DIRECTION = ("paragraph_open", "heading_open", "list_item_open", "blockquote_open", "td_open", "th_open")


class _Renderer(RendererHTML):
    """The library's HTML with headings below the page's own, directions by content and no pictures."""

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A picture as a link to it: opening a row must tell nobody that it was opened."""
        source = str(tokens[idx].attrGet("src") or "")
        text = self.renderInlineAsText(tokens[idx].children or [], options, env) or "picture"
        mark = f'<span class="tag">{_escape("Picture")}</span> '
        if not SAFE_LINK.match(source):
            return mark + _escape(text)
        return f'{mark}<a href="{_escape(source)}" {_LINK}>{_escape(text)}</a>'


_LINK = 'rel="nofollow noopener noreferrer" target="_blank"'


def _escape(text: str) -> str:
    from html import escape

    return escape(text, quote=True)


@cache
def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}, renderer_cls=_Renderer)
    made.enable(["table", "strikethrough"])
    made.validateLink = lambda url: bool(SAFE_LINK.match(url))  # type: ignore[method-assign]
    return made


def render(text: str) -> str:
    """Safe HTML of a Markdown text of at most :data:`LONGEST` characters. Line breaks stay."""
    parser = _parser()
    tokens = parser.parse(text.replace("\0", "\ufffd"))
    for token in tokens:
        if token.tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            token.tag = f"h{min(int(token.tag[1]) + 3, 6)}"
        if token.type in OWN_DIRECTION:
            token.attrSet("dir", "auto")
            # A column's alignment comes as a style, which the page's policy refuses.
            token.attrs.pop("style", None)
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("rel", "nofollow noopener noreferrer")
                child.attrSet("target", "_blank")
    return str(parser.renderer.render(tokens, parser.options, {}))
