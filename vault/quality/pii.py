"""Personal data and secrets in text: where they are and of what kind. Checks what can be checked (Luhn, mod-97, number plans,
address ranges), so that order numbers and clock times pass.

Nothing here logs, keeps or returns a value: a :class:`Span` says where it is.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left
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
_CARD = re.compile(r"(?<![\w.-])[2-8]\d{3}(?:[ -]?\d){8,15}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,32}")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4})(?![\w:])")
_PHONE = re.compile(r"(?:\(?\+|\(|(?<![\w.,+-]))\d(?:[\s()./\u2010-\u2015-]{0,3}\d){6,24}(?![\w%€$£])")
_GROUP = re.compile(r"\(?\+?\(?\d+")
_NO_PHONE = re.compile(
    r"(?<![\d./-])(?:\d{1,2}[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)?\d\d|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2}|"
    r"(?:\d{1,3}\.){3}\d{1,3})(?![./-]?\d)"
)
"""Dates and addresses, whose groups of digits are not those of a phone number."""
MOST_GROUPS = 7
MOST_CHECKS = 10_000
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


ISSUERS: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("4",), (13, 16, 19)),
    (("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"), (16,)),
    (("34", "37"), (15,)),
    (("300", "301", "302", "303", "304", "305", "309", "36", "38", "39"), (14, 16, 19)),
    (("35", "6011", "62", "64", "65", "81"), (16, 17, 18, 19)),
    (("50", "56", "57", "58", "63", "67"), (13, 14, 15, 16, 17, 18, 19)),
)
"""First digits and lengths of the card networks."""


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
        place = bisect_left(kept, span.start, key=lambda other: other.start)
        before_ends = place == 0 or kept[place - 1].end <= span.start
        if before_ends and (place == len(kept) or span.end <= kept[place].start):
            kept.insert(place, span)
    return kept


def is_card(text: str) -> bool:
    """Whether the digits are a card's: a known issuer and its length, the Luhn check (ISO/IEC 7812-1), not one digit only."""
    digits = [int(c) for c in text if c.isdigit()]
    number = "".join(map(str, digits))
    if len(set(digits)) < 2 or not any(len(number) in sizes and number.startswith(starts) for starts, sizes in ISSUERS):
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
    for match in (*(_IPV6.finditer(text) if ":" in text else ()), *_IPV4.finditer(text)):
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
    """Numbers that a country's plan allows (the ``phonenumbers`` library). A national number must also look or be called
    one: grouped by brackets or separators, or after a word such as "call"; a bare run of digits is more often an order.

    The library's own search takes time in the square of the text, so it is asked about single candidates only, and at most
    ``MOST_CHECKS`` times for one text: beyond that, whatever is grouped like a number counts as one.
    """
    text = _NO_PHONE.sub(lambda found: "x" * len(found[0]), text)
    checks = 0
    for candidate in _PHONE.finditer(text):
        named = _PHONE_WORD.search(text[max(candidate.start() - 40, 0) : candidate.start()]) is not None
        ended = 0
        for start, end in _readings(candidate[0]):
            raw = candidate[0][start:end]
            if start < ended or not (named or raw.startswith(("+", "00", "(+")) or _is_grouped(raw)):
                continue
            checks += 1
            if checks > MOST_CHECKS or _is_phone(raw, regions):
                ended = end
                yield Span("phone", candidate.start() + start, candidate.start() + end)


def _readings(candidate: str) -> Iterator[tuple[int, int]]:
    """Where in a run of digit groups a number may stand, the likeliest first: from its beginning, from a plus or a bracket,
    or from a wide gap; up to its end or to a wide gap, after a plus also up to any group."""
    groups = list(_GROUP.finditer(candidate))
    for first, group in enumerate(groups):
        if first and group[0][0] not in "+(" and group.start() - groups[first - 1].end() < 2:
            continue
        for last in range(min(len(groups), first + MOST_GROUPS) - 1, first - 1, -1):
            end = groups[last].end()
            open_end = last + 1 == len(groups) or groups[last + 1].start() - end > 1
            if (open_end or "+" in group[0]) and 7 <= sum(map(str.isdigit, candidate[group.start() : end])) <= 15:
                yield group.start(), end


def _is_phone(raw: str, regions: Collection[str]) -> bool:
    from phonenumbers import NumberParseException, is_valid_number, parse

    if raw.startswith("00"):
        raw = f"+{raw[2:]}"
    for region in (None,) if "+" in raw[:2] else regions:
        try:
            if is_valid_number(parse(raw, region)):
                return True
        except NumberParseException:
            continue
    return False


def _is_grouped(raw: str) -> bool:
    groups = re.findall(r"\d+", raw)
    return len(groups) >= 3 or ("(" in raw and len(groups) >= 2)
