"""Personal data and secrets in text: where they are and of what kind. Checks what can be checked (Luhn, mod-97, number plans,
address ranges), so that order numbers and clock times pass.

Nothing here logs, keeps or returns a value: a :class:`Span` says where it is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from vault.quality import secret_keys


class Span(NamedTuple):
    """``text[start:end]`` is of this kind."""

    kind: str
    start: int
    end: int


PII_KINDS = ("email", "phone", "card", "iban", "ip")
SECRET_KINDS = secret_keys.KINDS
KINDS = (*PII_KINDS, *SECRET_KINDS)
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL")
"""Countries whose national way of writing phone numbers is known; numbers with a country code are found anywhere."""

_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%'-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-])"
)
_CARD = re.compile(r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d){8,15}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,32}")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4})(?![\w:])")
_PHONE = re.compile(r"(?:\+|\(|\b)\d(?:[\s()./\u2010-\u2015-]{0,3}\d){6,16}")
_PHONE_WORD = re.compile(
    r"(?:phone|my number|reach me|call|tel|mobile|cell|fax|ring|text|whatsapp|telefon|handy|mobil|rufnummer|portable|móvil|teléfono|llam|"
    r"cellulare|telefoon|bel )[^\d\n]{0,25}$",
    re.IGNORECASE,
)
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
    "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
    "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29,
    "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""Characters of an IBAN by country (ISO 13616 registry)."""


def find(text: str, *, kinds: Collection[str] | None = None, regions: Collection[str] = REGIONS) -> list[Span]:
    """Every span of personal data and every secret, in order, none overlapping another. ``kinds``: only these of
    :data:`KINDS` (all when None). ``regions``: ISO codes of countries whose national phone numbers count."""
    wanted = frozenset(KINDS if kinds is None else kinds)
    found: list[Span] = []
    if not wanted.isdisjoint(SECRET_KINDS):
        found += (Span(*span) for span in secret_keys.find_secrets(text) if span[0] in wanted)
    if "email" in wanted and "@" in text:
        found += (Span("email", *m.span()) for m in _EMAIL.finditer(text))
    if not any(map(str.isdigit, text)):
        return settle(found)
    if "iban" in wanted:
        found += _ibans(text)
    if "card" in wanted:
        found += (Span("card", *m.span()) for m in _CARD.finditer(text) if is_card(m[0]))
    if "ip" in wanted:
        found += _addresses(text)
    if "phone" in wanted and _PHONE.search(text):
        found += _phones(text, regions)
    return settle(found)


def flag(kind: str) -> str:
    """The kind as a row's flag: ``pii:email``, ``secret:jwt``."""
    return f"secret:{kind}" if kind in SECRET_KINDS else f"pii:{kind}"


def settle(spans: Iterable[Span]) -> list[Span]:
    """The spans in order without overlaps: of two that overlap, the one that came first in the list stays."""
    kept: list[Span] = []
    for span in spans:
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def is_card(text: str) -> bool:
    """Whether 13 to 19 digits pass the Luhn check (ISO/IEC 7812-1) and are not one digit over and over."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [d if n % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for n, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether letters and digits without spaces are an IBAN: the country's length and ISO 7064 mod-97."""
    value = text.upper()
    if IBAN_LENGTHS.get(value[:2]) != len(value):
        return False
    return int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        size = IBAN_LENGTHS.get(match[0][:2].upper())
        if size is None:
            continue
        places = [n for n, c in enumerate(match[0]) if c.isalnum()]
        if len(places) < size:
            continue
        end = places[size - 1] + 1
        # What follows at once is another word only after a space: "…00 and" ends here, "…00123" is no IBAN.
        if end < len(match[0]) and match[0][end].isalnum():
            continue
        if is_iban("".join(match[0][n] for n in places[:size])):
            yield Span("iban", match.start(), match.start() + end)


def _addresses(text: str) -> Iterator[Span]:
    for match in (*_IPV4.finditer(text), *(_IPV6.finditer(text) if ":" in text else ())):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        before = text[max(match.start() - 9, 0) : match.start()].lower()
        netmask = match[0].startswith("255.") or match[0].startswith("0.")
        versions = before.endswith(("version ", "v", "v.", "ver. "))
        # "face::add" is a name in a program.
        words = ":" in match[0] and not any(map(str.isdigit, match[0]))
        if not (words or address.is_loopback or address.is_unspecified or address.is_multicast or netmask or versions):
            yield Span("ip", *match.span())


def _phones(text: str, regions: Collection[str]) -> Iterator[Span]:
    """Numbers that the country's plan allows (the ``phonenumbers`` library). A national number must also look or be called
    one: grouped by brackets or separators, or after a word such as "call"; a bare run of digits is more often an order."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    seen: set[tuple[int, int]] = set()
    for region in (None, *regions):
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
            raw, span = match.raw_string, (match.start, match.end)
            if span in seen:
                continue
            international = raw.lstrip("(").startswith(("+", "00"))
            named = _PHONE_WORD.search(text[max(match.start - 40, 0) : match.start]) is not None
            if international or named or _is_grouped(raw):
                seen.add(span)
                yield Span("phone", *span)


def _is_grouped(raw: str) -> bool:
    groups = re.findall(r"\d+", raw)
    return len(groups) >= 3 or ("(" in raw and len(groups) >= 2)
