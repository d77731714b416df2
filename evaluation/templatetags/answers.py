"""One candidate's answer as a table cell: made in code, since a page holds hundreds of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from studio.templatetags.ui import icon

register = template.Library()

SHOWN = 200
"""Characters of an answer that a cell holds."""

NOT_ASKED = mark_safe('<td class="answer-cell"><span class="answer answer-none">not asked</span></td>')


@lru_cache(maxsize=8)
def _mark(name: str, label: str) -> SafeString:
    return icon(name, "sm", "", label)


@register.simple_tag
def answer_cell(answer: Any, is_text: bool) -> SafeString:
    """A cell with the answer, marked as right, wrong or failed. In free text a difference is no mistake, so it is not marked."""
    if not answer.asked:
        return NOT_ASKED
    if answer.error:
        return _cell("answer answer-wrong", _mark("circle-alert", "failed"), answer.error)
    said = answer.said or "(empty)"
    if answer.right is True:
        return _cell("answer answer-right", _mark("check", "right"), said)
    if answer.right is False and not is_text:
        return _cell("answer answer-wrong", _mark("x", "wrong"), said)
    return _cell("answer", "", said)


def _cell(css: str, mark: str, text: str) -> SafeString:
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return format_html(
        '<td class="answer-cell"><span class="{}">{}<span class="answer-text" title="{}">{}</span></span></td>',
        css,
        mark,
        text,
        shown,
    )
