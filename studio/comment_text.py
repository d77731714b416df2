"""What people write in comments: plain text in which addresses become links and ``@name`` of a member is a mention."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

TOKEN = re.compile(r"(?P<url>https?://[^\s<>\"']+)|(?<![\w.@+/-])@(?P<name>[\w.@+-]{1,150})")
CLOSING = {")": "(", "]": "[", "}": "{"}


def find_mentions(text: str, names: Collection[str]) -> list[str]:
    """Those of ``names`` that the text mentions, each once, in order."""
    known = {name.casefold(): name for name in names}
    found = (_member(match["name"], known) for match in TOKEN.finditer(text) if match["name"])
    return list(dict.fromkeys(name for name in found if name))


def _member(word: str, known: Mapping[str, str]) -> str:
    """The member that a word after an @ begins with: "ada.", at the end of a sentence, is ada."""
    while word:
        if word.casefold() in known:
            return known[word.casefold()]
        shorter = word.rstrip(".@+-_")
        if shorter == word:
            return ""
        # Take one mark off at a time: a user's name may end in one.
        word = word[:-1]
    return ""


def render(text: str, names: Collection[str]) -> SafeString:
    """The text as HTML: everything escaped, web addresses as links, mentions marked. Line breaks are left to the style sheet."""
    known = {name.casefold(): name for name in names}
    return mark_safe("".join(_pieces(text, known)))  # noqa: S308 - every piece is escaped


def _pieces(text: str, known: Mapping[str, str]) -> Iterator[str]:
    end = 0
    for match in TOKEN.finditer(text):
        url = _trim(match["url"]) if match["url"] else ""
        name = _member(match["name"], known) if match["name"] else ""
        if not url and not name:
            continue
        yield escape(text[end : match.start()])
        if url:
            yield format_html('<a class="text-link" href="{}" rel="nofollow noopener noreferrer">{}</a>', url, url)
            end = match.start() + len(url)
        else:
            yield format_html('<span class="mention">@{}</span>', name)
            end = match.start() + 1 + len(name)
    yield escape(text[end:])


def _trim(url: str) -> str:
    """Without the marks that end the sentence around it; a closing bracket belongs to it when it was opened in it."""
    while url:
        last = url[-1]
        if last in ".,;:!?*_~" or (last in CLOSING and url.count(last) > url.count(CLOSING[last])):
            url = url[:-1]
        else:
            break
    return url if len(url) > len("https://") else ""
