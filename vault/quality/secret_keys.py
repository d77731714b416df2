"""API keys, tokens, private keys and passwords in text: known prefixes and shapes, and random-looking values given to a
name such as ``api_key``. Linear patterns only, each behind a plain look for its prefix."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple


class Pattern(NamedTuple):
    """``hints``: lower-case texts of which one must be there before ``rule`` is tried. Group 1, where there is one, is the
    secret."""

    kind: str
    hints: tuple[str, ...]
    rule: re.Pattern[str]


def _pattern(kind: str, hints: tuple[str, ...], rule: str, flags: int = 0) -> Pattern:
    return Pattern(kind, hints, re.compile(rule, flags))


PATTERNS = (
    _pattern("anthropic_key", ("sk-ant-",), r"\bsk-ant-[A-Za-z0-9_-]{16,}"),
    _pattern("openai_key", ("sk-",), r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,}"),
    _pattern("aws_key", ("akia", "asia", "abia", "acca"), r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    _pattern(
        "github_token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})",
    ),
    _pattern("gitlab_token", ("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,}"),
    _pattern(
        "slack_token",
        ("xox", "xapp-", "hooks.slack.com"),
        r"\b(?:xox[abceoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|"
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,})",
    ),
    _pattern(
        "google_key",
        ("aiza", "ya29.", "gocspx-"),
        r"\b(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})",
    ),
    _pattern(
        "stripe_key",
        ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"),
        r"\b(?:[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9]{24,})",
    ),
    _pattern("huggingface_token", ("hf_",), r"\bhf_[A-Za-z0-9]{30,}"),
    _pattern("npm_token", ("npm_",), r"\bnpm_[A-Za-z0-9]{36}\b"),
    _pattern("pypi_token", ("pypi-",), r"\bpypi-[A-Za-z0-9_-]{50,}"),
    _pattern("sendgrid_key", ("sg.",), r"\bSG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{40,50}"),
    _pattern("digitalocean_token", ("dop_v1_", "doo_v1_", "dor_v1_"), r"\bdo[opr]_v1_[a-f0-9]{64}"),
    _pattern("telegram_token", (":aa",), r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    _pattern("jwt", ("eyj",), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    _pattern("url_password", ("://",), r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:([^\s/@\"'<>]{3,200})@", re.I),
    _pattern("bearer_token", ("bearer ",), r"\bbearer\s+([A-Za-z0-9_.~+/-]{20,}=*)", re.I),
)
_NAMES = (
    "api_key", "api-key", "apikey", "api key", "secret", "token", "passw", "pwd", "credential", "access_key", "access-key",
    "accesskey", "account_key", "accountkey", "private_key", "auth", "clé", "passwort", "kennwort", "contraseña",
)  # fmt: skip
_ASSIGNED = re.compile(
    r"(?:api[_ -]?key|secret|token|passw(?:or[dt])?|pwd|credentials?|(?:access|account|private)[_-]?key|auth|kennwort|"
    r"contraseña)[A-Za-z0-9_-]{0,20}[\"'`]?\s{0,3}(?::=|=>|=|:|\bis\b|\blautet\b|\bist\b)\s{0,3}[\"'`]?"
    r"([^\s\"'`,;<>(){}\[\]]{8,200})",
    re.IGNORECASE,
)
KINDS = ("private_key", *(p.kind for p in PATTERNS), "password")
_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=\s\\]*")
LONGEST_KEY = 20_000
"""Characters within which the end of a private key is looked for."""
LEAST_BITS = 3.0
"""Shannon entropy, in bits a character, from which an assigned value looks random ("changeme" has 2.75)."""


def find_secrets(text: str) -> Iterator[tuple[str, int, int]]:
    """``(kind, start, end)`` of every secret; they may overlap, the more specific kind comes first."""
    lowered = text.lower()
    if "private key" in lowered:
        yield from _private_keys(text)
    for pattern in PATTERNS:
        if any(hint in lowered for hint in pattern.hints):
            for found in pattern.rule.finditer(text):
                start, end = found.span(1) if pattern.rule.groups else found.span()
                if not is_placeholder(text[start:end]):
                    yield pattern.kind, start, end
    if any(name in lowered for name in _NAMES):
        for found in _ASSIGNED.finditer(text):
            value = found[1].rstrip(".!?:")
            if looks_random(value):
                yield "password", found.start(1), found.start(1) + len(value)


def _private_keys(text: str) -> Iterator[tuple[str, int, int]]:
    """Key blocks whole; of a block without an end, the lines that look like one."""
    at = 0
    while begin := _KEY_BEGIN.search(text, at):
        end = text.find("-----", begin.end(), begin.end() + LONGEST_KEY)
        closing = _KEY_END.match(text, end) if end >= 0 else None
        body = closing or _KEY_BODY.match(text, begin.end())
        at = body.end() if body else begin.end()
        yield "private_key", begin.start(), at


def looks_random(value: str) -> bool:
    """Whether a value given to a secret's name is one: 8 characters or more, letters and digits (or signs) mixed, few
    repeats. Words, paths, names of variables and numbers are not."""
    if len(value) < 8 or is_placeholder(value):
        return False
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    signs = len(value) - digits - letters
    if not letters or not (
        digits or (signs and not value.replace("_", "").replace("-", "").replace(".", "").isalpha())
    ):
        return False
    if "://" in value or value.startswith(("/", "./", "$", "%", "process.env", "os.environ")):
        return False
    return entropy(value) >= LEAST_BITS


def is_placeholder(value: str) -> bool:
    """Whether a value only stands for a secret: ``[PASSWORD_1]``, ``xxxxxxxx``, ``<your key>``, ``sk-...``."""
    lowered = value.lower()
    words = ("your", "example", "placeholder", "redacted", "changeme", "insert", "xxxxx", "*****", ".....", "_here")
    return any(word in lowered for word in words) or len(set(lowered)) < 5 or value.startswith(("[", "<", "{{", "${"))


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    counts, size = Counter(value), len(value)
    return -sum(n / size * math.log2(n / size) for n in counts.values())
