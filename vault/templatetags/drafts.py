"""Tags of the Vault's pages that show edits not yet committed: ``{% load drafts %}``."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import template

from vault.editing.drafts import Tally, live_draft, operations_on, tally
from vault.editing.positions import unpack
from vault.editing.wording import ICONS, describe
from vault.models import DatasetVersion, Draft, EditOperation

register = template.Library()


class Bar(NamedTuple):
    """A version's draft and what it holds."""

    draft: Draft
    tally: Tally


@register.simple_tag
def draft_of(version: DatasetVersion) -> Bar | None:
    """The version's live draft with its counts; None when there is none, or nothing in it."""
    draft = live_draft(version)
    if draft is None:
        return None
    found = tally(draft)
    return Bar(draft, found) if found.edits or not draft.is_open else None


@register.simple_tag
def edits_of_row(version: DatasetVersion, rid: int) -> list[EditOperation]:
    """The draft's operations on one row, the undone ones too, newest first."""
    draft = live_draft(version)
    if draft is None:
        return []
    near = operations_on(draft, low=rid, high=rid).order_by("-number")
    return [one for one in near if len(unpack(one.rids, low=rid, high=rid + 1))]


@register.filter
def operation_text(operation: EditOperation) -> str:
    """What an operation does, in one line."""
    return describe(operation)


@register.filter
def operation_icon(operation: Any) -> str:
    """The icon of an operation's kind."""
    return ICONS.get(operation.kind, "pencil")


@register.filter
def as_typed(text: str | None) -> str:
    """Text for a text area: a browser drops a line break that comes first, so one more is written."""
    return f"\n{text or ''}"
