"""Icons, numbers, durations, sizes, money, times, statuses and small text views, as template tags and filters."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django import template
from django.conf import settings
from django.forms import BoundField, Textarea
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

THIN = "\u202f"
"""Narrow no-break space: groups thousands and stands before %."""
SPACE = "\u00a0"
"""No-break space: stands before a unit that is a word."""
NONE = "–"
MINUS = "\u2212"

_SIZES = {"sm": "icon icon-sm", "md": "icon", "lg": "icon icon-lg", "xl": "icon icon-xl"}
FALLBACK_ICON = "square"


@cache
def _icon_shapes(name: str) -> str:
    """The inner shapes of a vendored icon; the fallback's for a name that isn't there."""
    folder = settings.BASE_DIR / "static" / "vendor" / "lucide"
    path = folder / f"{name}.svg"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not path.is_file():
        path = folder / f"{FALLBACK_ICON}.svg"
    svg = path.read_text(encoding="utf-8")
    return svg[svg.index(">") + 1 : svg.rindex("</svg>")]


@register.simple_tag
def icon(name: str, size: str = "md", extra: str = "", label: str = "") -> SafeString:
    """A lucide icon inline. Decorative unless ``label`` names it. Names are listed in ``assets/icons.txt``."""
    spoken = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="{} {}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
        'stroke-linecap="round" stroke-linejoin="round" {}>{}</svg>',
        _SIZES.get(size, "icon"),
        extra,
        spoken,
        mark_safe(_icon_shapes(str(name))),  # noqa: S308 - a file of ours
    )


def _float(value: Any) -> float | None:
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number_ = float(value)
    except (TypeError, ValueError):
        return None
    return number_ if number_ == number_ and abs(number_) != float("inf") else None


def _group(text: str) -> str:
    return text.replace(",", THIN).replace("-", MINUS)


@register.filter
def number(value: Any, digits: int | None = None) -> str:
    """``1180`` → ``1 180`` with thin separators. Without ``digits``: whole numbers whole, others to 4 significant places."""
    amount = _float(value)
    if amount is None:
        return NONE
    if digits is not None:
        return _group(f"{amount:,.{int(digits)}f}")
    if amount == int(amount):
        return _group(f"{int(amount):,}")
    if abs(amount) >= 1000:
        return _group(f"{amount:,.0f}")
    return _group(f"{amount:.4g}")


@register.filter
def thin(value: Any) -> str:
    """Text with its numbers' commas made thin, and no line that begins with their unit: ``1,112 of 1,180 rows`` → ``1 112 of 1 180 rows``."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", THIN, "" if value is None else str(value))
    return re.sub(r"(?<=\d) %", "\u00a0%", text)


@register.filter
def signed(value: Any, digits: int = 1) -> str:
    """A difference with its sign: ``+1.2``, ``−0.4``, ``±0.0``."""
    amount = _float(value)
    if amount is None:
        return NONE
    text = _group(f"{abs(amount):,.{int(digits)}f}")
    if float(f"{amount:.{int(digits)}f}") == 0:
        return f"±{text}"
    return ("+" if amount > 0 else MINUS) + text


@register.filter
def percent(value: Any, digits: int = 1) -> str:
    """A share from 0 to 1 as ``92.5 %``."""
    amount = _float(value)
    return NONE if amount is None else f"{_group(f'{amount * 100:.{int(digits)}f}')}{THIN}%"


@register.filter
def percent_figure(value: Any, digits: int = 1) -> str:
    """A share from 0 to 1 as ``92.5``, for where the unit stands beside it already."""
    return str(percent(value, digits)).removesuffix(f"{THIN}%")


@register.filter
def duration(value: Any) -> str:
    """Seconds (or a ``timedelta``) in two units: ``850 ms``, ``3 min 20 s``, ``1 h 5 min``, ``2 d 4 h``."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else _float(value)
    if seconds is None:
        return NONE
    if abs(seconds) < 0.0005:
        return f"0{SPACE}s"
    if seconds < 0:
        return MINUS + duration(-seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f}{SPACE}ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + f"{SPACE}s"
    whole = round(seconds)
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            big, rest = divmod(whole, size)
            rest //= small
            return f"{big}{SPACE}{name}" + (f" {rest}{SPACE}{small_name}" if rest else "")
    return f"{whole}{SPACE}s"


@register.filter
def rate(value: Any, unit: str = "") -> str:
    """Units a second as ``6.7 rows/s``; slow ones a minute or an hour, so that the figure stays readable."""
    amount = _float(value)
    if amount is None:
        return NONE
    per = next(((size, name) for size, name in ((1, "s"), (60, "min")) if amount * size >= 0.95), (3600, "h"))
    shown = amount * per[0]
    text = number(shown, 0 if shown >= 20 else 1)
    return f"{text}{SPACE}{unit}/{per[1]}" if unit else f"{text}/{per[1]}"


@register.filter
def milliseconds(value: Any) -> str:
    """Milliseconds with a unit that fits: ``4.2 ms``, ``380 ms``, ``1.4 s``."""
    amount = _float(value)
    if amount is None:
        return NONE
    if amount >= 1000:
        return duration(amount / 1000)
    return f"{amount:.1f}{SPACE}ms" if amount < 10 else f"{amount:.0f}{SPACE}ms"


@register.filter
def filesize(value: Any) -> str:
    """Bytes in decimal units: ``145 MB``, ``1.1 GB``."""
    amount = _float(value)
    if amount is None:
        return NONE
    units = ("B", "kB", "MB", "GB", "TB")
    at = 0
    while abs(amount) >= 999.5 and at < len(units) - 1:
        amount /= 1000
        at += 1
    digits = 0 if at == 0 or abs(amount) >= 99.5 else 1
    return f"{amount:.{digits}f}".removesuffix(".0") + f"{SPACE}{units[at]}"


@register.filter
def money(value: Any, currency: str = "USD") -> str:
    """An amount with its currency: ``$12.40``, ``3.10 EUR``; small amounts keep enough places to differ from zero."""
    amount = _float(value)
    if amount is None:
        return NONE
    digits = 2 if amount == 0 or abs(amount) >= 0.1 else 4 if abs(amount) >= 0.001 else 6
    text = _group(f"{Decimal(str(amount)):,.{digits}f}")
    return f"${text}" if currency == "USD" else f"{text}{SPACE}{currency}"


@register.filter
def short_hash(value: Any, length: int = 8) -> str:
    """The first digits of a hash or uuid."""
    return str(value).replace("-", "")[: int(length)]


@register.filter
def initials(value: Any) -> str:
    """Up to two letters for an avatar: ``Ada Lovelace`` → ``AL``."""
    words = re.findall(r"\w+", str(value))
    return "".join(w[0] for w in words[:2]).upper() or "?"


@register.filter
def plural(value: Any, forms: str) -> str:
    """``3|plural:"row,rows"`` → ``3 rows``, with thin separators."""
    one, _, many = forms.partition(",")
    return f"{number(value)} {one if _float(value) == 1 else many or one + 's'}"


def _ago(seconds: float) -> str:
    size = abs(seconds)
    if size < 45:
        return "just now" if seconds >= 0 else "in a moment"
    for limit, unit, name in ((3600, 60, "min"), (86400, 3600, "h"), (30 * 86400, 86400, "d")):
        if size < limit * 0.99:
            amount = f"{max(1, round(size / unit))}{SPACE}{name}"
            return f"{amount} ago" if seconds >= 0 else f"in {amount}"
    return ""


@register.filter
def relative_time(value: datetime | None) -> SafeString:
    """How long ago, as text that the browser keeps fresh, with the absolute time in the reader's zone on hover."""
    if not value:
        return mark_safe(NONE)  # noqa: S308 - a dash
    text = _ago((timezone.now() - value).total_seconds()) or f"{value:%d %b %Y}"
    return format_html(
        '<relative-time><time datetime="{}" title="{}">{}</time></relative-time>',
        value.isoformat(),
        f"{value:%d %B %Y, %H:%M} UTC",
        text,
    )


class StatusView(NamedTuple):
    """How a status looks: its word and its icon. The colour comes from the class ``pill-<status>``."""

    label: str
    icon: str


STATUSES: dict[str, StatusView] = {
    "pending": StatusView("Pending", "circle-dashed"),
    "ready": StatusView("Ready", "circle-dashed"),
    "running": StatusView("Running", "loader-circle"),
    "waiting": StatusView("Waiting for you", "hand"),
    "paused": StatusView("Paused", "pause"),
    "succeeded": StatusView("Succeeded", "circle-check"),
    "failed": StatusView("Failed", "circle-x"),
    "warning": StatusView("Warning", "triangle-alert"),
    "cancelled": StatusView("Cancelled", "circle-slash"),
    "cached": StatusView("Reused", "layers"),
    "open": StatusView("Sign-off open", "hand"),
    "changes": StatusView("Changes requested", "message-square"),
    "approved": StatusView("Approved", "shield-check"),
    "rejected": StatusView("Rejected", "ban"),
    "void": StatusView("Void", "circle-slash"),
}


@register.simple_tag
def status_view(status: Any) -> StatusView:
    """Word and icon of a job's state; an unknown one is shown by its name."""
    name = str(status or "pending")
    return STATUSES.get(name) or StatusView(name.replace("_", " ").capitalize(), "circle")


@register.filter
def to_json(value: Any, indent: int = 2) -> str:
    """``value`` as readable JSON text; what JSON cannot hold is shown by its ``str``."""
    return json.dumps(value, indent=int(indent), ensure_ascii=False, default=str)


_TOKEN = re.compile(r'("(?:\\.|[^"\\])*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b')


@register.filter
def json_html(value: Any) -> SafeString:
    """Readable JSON with its keys, strings and numbers marked for colour."""
    text = value if isinstance(value, str) else to_json(value)
    parts, end = [], 0
    for match in _TOKEN.finditer(text):
        string, colon, digits, word = match.groups()
        parts.append(escape(text[end : match.start()]))
        kind = "key" if colon else "string" if string else "number" if digits else "word"
        parts.append(format_html('<span class="json-{}">{}</span>', kind, string or digits or word))
        parts.append(escape(colon or ""))
        end = match.end()
    parts.append(escape(text[end:]))
    return mark_safe("".join(parts))  # noqa: S308 - every part is escaped above


@register.simple_tag
def word_diff(before: Any, after: Any) -> SafeString:
    """The words of ``before`` and ``after`` in one text: removed ones in ``<del>``, added ones in ``<ins>``."""
    old = re.findall(r"\s+|\w+|[^\w\s]", str(before or ""))
    new = re.findall(r"\s+|\w+|[^\w\s]", str(after or ""))
    parts = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(escape("".join(old[a:b])))
            continue
        if b > a:
            parts.append(format_html("<del>{}</del>", "".join(old[a:b])))
        if d > c:
            parts.append(format_html("<ins>{}</ins>", "".join(new[c:d])))
    return mark_safe("".join(parts))  # noqa: S308 - every part is escaped above


@register.filter
def in_words(value: Any) -> str:
    """A field's name as a label: ``cost_usd`` → ``Cost usd``."""
    text = str(value).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


@register.filter
def as_lines(value: Any) -> str:
    """A list as text, one item a line, as a text area shows it; text stays as it is."""
    return value if isinstance(value, str) else "\n".join(str(item) for item in value or [])


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """``mapping|get:key``: the item under a variable key, or None."""
    return mapping.get(key) if isinstance(mapping, Mapping) else None


@register.filter
def message_text(message: Any) -> str:
    """The text of a chat message: its content, or the text parts of a content list."""
    content = message.get("content", "") if isinstance(message, Mapping) else getattr(message, "content", message)
    if isinstance(content, list):
        return "\n".join(str(p.get("text", "")) if isinstance(p, Mapping) else str(p) for p in content)
    return "" if content is None else str(content)


_CONTROLS = {"checkbox": "checkbox", "radio": "radio", "file": "file-input w-full", "select": "select w-full"}


@register.filter
def styled(field: BoundField) -> SafeString:
    """The control of a Django form field with the classes of the Studio's own fields."""
    widget = field.field.widget
    kind = getattr(widget, "input_type", "")
    css = "textarea w-full" if isinstance(widget, Textarea) else _CONTROLS.get(kind, "input w-full")
    return field.as_widget(attrs={"class": f"{css} {widget.attrs.get('class', '')}".strip()})


class NavItem(NamedTuple):
    """One entry of the left rail: ``path`` is below ``/w/<workspace>/``; ``""`` is the home page itself."""

    name: str
    label: str
    icon: str
    path: str
    keys: str


NAV: tuple[NavItem, ...] = (
    NavItem("home", "Home", "house", "", "g h"),
    NavItem("vault", "Vault", "database", "vault/", "g v"),
    NavItem("pipelines", "Pipelines", "workflow", "pipelines/", "g p"),
    NavItem("runs", "Runs", "activity", "runs/", "g r"),
    NavItem("evaluations", "Evaluations", "scale", "evaluations/", "g e"),
    NavItem("models", "Models", "package", "models/", "g m"),
    NavItem("review", "Review", "clipboard-check", "review/", "g w"),
    NavItem("settings", "Settings", "settings", "settings/", "g s"),
)


@register.simple_tag(takes_context=True)
def nav_items(context: template.Context) -> list[dict[str, Any]]:
    """The rail's entries with their address in the page's workspace and whether the page lies under it."""
    workspace, request = context.get("workspace"), context.get("request")
    if not workspace:
        return []
    root = f"/w/{workspace.slug}/"
    here = getattr(request, "path", "")
    return [
        {
            **item._asdict(),
            "url": root + item.path,
            "current": here in ("/", root) if not item.path else here.startswith(root + item.path),
        }
        for item in NAV
    ]
