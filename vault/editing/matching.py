"""Find and replace: plain text or a pattern, by RE2, whose time grows with the text and never with what the pattern invites."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import re2

from studio.lib.errors import StudioError

LONGEST = 16_000_000
"""Characters that one text may have after a replacement."""

ESCAPE = re.compile(r"\\(?:(?P<number>[1-9]\d?)|g<(?P<name>\w+)>|(?P<letter>[nt\\]))")
LETTERS = {"n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True)
class Replacement:
    """A compiled find-and-replace. ``pieces`` are texts (str) and groups (int) of the replacement in turn."""

    pattern: Any
    pieces: tuple[str | int, ...]

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Replacement:
        """From ``find``, ``replacement``, ``regex`` and ``ignore_case``; raises ``StudioError`` for what can't be used.

        In the replacement of a pattern ``\\1`` and ``\\g<name>`` stand for its groups, ``\\n``, ``\\t`` and ``\\\\`` for a line
        break, a tab and a backslash.
        """
        pattern = compile_pattern(params)
        text = params.get("replacement", "")
        return cls(pattern, parse_template(text, pattern) if params.get("regex") else (text,))

    def found_in(self, text: str) -> bool:
        """Whether the text has something to replace."""
        return self.pattern.search(text) is not None

    def apply(self, text: str) -> str:
        """The text with every match replaced. Raises ``StudioError`` when it would grow beyond 16 million characters."""
        parts: list[str] = []
        end = size = 0
        for match in self.pattern.finditer(text):
            made = "".join(piece if isinstance(piece, str) else match.group(piece) or "" for piece in self.pieces)
            parts += (text[end : match.start()], made)
            size += match.start() - end + len(made)
            end = match.end()
            if size > LONGEST:
                raise StudioError(
                    f"A text of {len(text):,} characters would grow beyond {LONGEST:,} by these replacements.",
                    action="Choose a shorter replacement, or filter that row out.",
                )
        return "".join((*parts, text[end:])) if parts else text


def parse_template(text: str, pattern: Any) -> tuple[str | int, ...]:
    """The pieces of a replacement; raises ``StudioError`` when it names a group that the pattern does not have."""
    pieces: list[str | int] = []
    end = 0
    for found in ESCAPE.finditer(text):
        pieces.append(text[end : found.start()])
        pieces.append(LETTERS[found["letter"]] if found["letter"] else _group(found, pattern))
        end = found.end()
    return (*pieces, text[end:])


def _group(found: re.Match[str], pattern: Any) -> int:
    name = found["number"] or found["name"]
    number = int(name) if name.isdigit() else pattern.groupindex.get(name, -1)
    if not 0 <= number <= pattern.groups:
        raise StudioError(
            f"The replacement speaks of group “{name}”, and the pattern has {pattern.groups or 'none'}.",
            action="Write \\1 for the first group in brackets, \\g<name> for a named one, and \\\\ for a backslash.",
        )
    return int(number)


def compile_pattern(params: Mapping[str, Any]) -> Any:
    """The compiled pattern of ``find``; raises ``StudioError`` when it is empty or no pattern."""
    text = params.get("find", "")
    if not text:
        raise StudioError("There is nothing to find.", action="Write the text or the pattern to look for.")
    try:
        return re2.compile(expression(params), _options(params))
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise StudioError(
            f"“{text}” is not a pattern: {reason}.",
            action="Correct it (RE2 syntax: no look-around, no back-references), or search for plain text.",
        ) from None


def expression(params: Mapping[str, Any]) -> str:
    """The pattern in RE2's syntax: as written, or plain text with its special characters escaped."""
    return str(params["find"] if params.get("regex") else re2.escape(params["find"]))


def _options(params: Mapping[str, Any]) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not params.get("ignore_case")
    return options
