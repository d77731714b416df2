"""The functions and methods of expressions, and how large their values may grow. Each limit is checked before the work is done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from evaluation.metrics.base import same_answer
from evaluation.metrics.numeric import POINT
from vault.quality.patterns import compile_pattern
from vault.quality.patterns import search as search_pattern
from vault.rows import normalise

LONGEST_TEXT = 1_000_000
MOST_ITEMS = 100_000
MOST_BITS = 4_096
"""Of a whole number: about 1,200 digits."""
_WORDS = re.compile(r"\w+")


class Failed(Exception):
    """A row's expression gave no figure; the message says why."""


class Function(NamedTuple):
    """What a name does, how many arguments it takes and what it certainly gives."""

    run: Callable[..., Any]
    least: int
    most: int
    gives: Literal["bool", "number", "text", "unknown"] = "unknown"

    @property
    def takes(self) -> str:
        """How many arguments, in words."""
        if self.least == self.most:
            return f"{self.least} argument{'s' if self.least != 1 else ''}"
        return f"{self.least} to {self.most} arguments" if self.most < 50 else f"at least {self.least} argument"


def fits(value: Any) -> Any:
    """The value itself; raises :class:`Failed` when it is too large to go on with."""
    if type(value) is str:
        long_enough(len(value))
    elif type(value) in (list, tuple, set, dict):
        few_enough(len(value))
    elif type(value) is int:
        if value.bit_length() > MOST_BITS:
            raise Failed("a whole number grew too large")
    elif type(value) is complex:
        raise Failed("the root of a negative number is no number here")
    return value


def long_enough(length: int) -> None:
    """Raise :class:`Failed` for a text of this length."""
    if length > LONGEST_TEXT:
        raise Failed(f"a text would have {length:,} characters; at most {LONGEST_TEXT:,}")


def few_enough(count: int) -> None:
    """Raise :class:`Failed` for so many items."""
    if count > MOST_ITEMS:
        raise Failed(f"a list would have {count:,} items; at most {MOST_ITEMS:,}")


def want_text(value: Any, what: str) -> str:
    """A text, or :class:`Failed`."""
    if type(value) is not str:
        raise Failed(f"{what} needs a text, not {name_of(value)}")
    return value


def name_of(value: Any) -> str:
    """What a value is, for a message."""
    if value is None:
        return "None"
    kinds = {
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a dictionary",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")


def listed(value: Any, what: str) -> list[Any]:
    """The items of a list, tuple, set, text or dictionary."""
    if type(value) not in (list, tuple, set, str, dict, range):
        raise Failed(f"{what} needs several values, not {name_of(value)}")
    few_enough(len(value))
    return list(value)


def _numbers_only(values: list[Any], what: str) -> list[Any]:
    for value in values:
        if type(value) not in (int, float, bool):
            raise Failed(f"{what} needs numbers, not {name_of(value)}")
    return values


def _several(args: tuple[Any, ...], what: str) -> list[Any]:
    found = listed(args[0], what) if len(args) == 1 else list(args)
    if not found:
        raise Failed(f"{what} of nothing")
    return found


def _text(value: Any) -> str:
    if type(value) not in (str, int, float, bool, type(None)):
        raise Failed(f"str() needs a text or a number, not {name_of(value)}")
    return str(value)


def _int(value: Any) -> int:
    if type(value) not in (str, int, float, bool) or (type(value) is str and len(value) > 1_000):
        raise Failed(f"int() can't read {name_of(value)}")
    return int(value)


def _float(value: Any) -> float:
    if type(value) not in (str, int, float, bool) or (type(value) is str and len(value) > 1_000):
        raise Failed(f"float() can't read {name_of(value)}")
    return float(value)


def _round(value: Any, digits: Any = 0) -> Any:
    _numbers_only([value, digits], "round()")
    if not -20 <= digits <= 20:
        raise Failed("round() takes at most 20 digits")
    return round(value, int(digits))


def _range(*args: Any) -> list[int]:
    found = range(*_numbers_only(list(args), "range()"))
    few_enough(len(found))
    return list(found)


def _json(text: Any) -> Any:
    try:
        return fits(json.loads(want_text(text, "json()")))
    except ValueError:
        return None
    except RecursionError:
        raise Failed("the JSON is nested too deeply") from None


def _found(pattern: Any, text: Any) -> bool:
    return search_pattern(_pattern(pattern), want_text(text, "found()")) is not None


def _find_all(pattern: Any, text: Any) -> list[str]:
    compiled, said = _pattern(pattern), want_text(text, "find_all()").encode("utf-8", "replace").decode()
    found = []
    for match in compiled.finditer(said):
        found.append(match.group(0))
        few_enough(len(found))
    return found


def _pattern(pattern: Any) -> Any:
    try:
        return compile_pattern(want_text(pattern, "A pattern"))
    except ValueError as error:
        raise Failed(str(error)) from None


def _numbers(text: Any) -> list[float]:
    found = [m[0] for m in POINT.finditer(want_text(text, "numbers()")) if any(c.isdigit() for c in m[0])]
    few_enough(len(found))
    return [float(digits.replace("−", "-").replace(",", "")) for digits in found if len(digits) <= 100]


def _replace(text: str, old: Any, new: Any) -> str:
    old, new = want_text(old, "replace()"), want_text(new, "replace()")
    long_enough(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _join(text: str, parts: Any) -> str:
    found = [want_text(part, "join()") for part in listed(parts, "join()")]
    long_enough(sum(map(len, found)) + len(text) * max(0, len(found) - 1))
    return text.join(found)


def _get(value: dict[Any, Any], key: Any, other: Any = None) -> Any:
    return value.get(key, other)


FUNCTIONS: dict[str, Function] = {
    "len": Function(lambda value: len(listed(value, "len()") if type(value) is not str else value), 1, 1, "number"),
    "abs": Function(lambda value: abs(_numbers_only([value], "abs()")[0]), 1, 1, "number"),
    "min": Function(lambda *args: min(_several(args, "min()")), 1, 50),
    "max": Function(lambda *args: max(_several(args, "max()")), 1, 50),
    "sum": Function(lambda values: sum(_numbers_only(listed(values, "sum()"), "sum()")), 1, 1, "number"),
    "round": Function(_round, 1, 2, "number"),
    "any": Function(lambda values: any(listed(values, "any()")), 1, 1, "bool"),
    "all": Function(lambda values: all(listed(values, "all()")), 1, 1, "bool"),
    "sorted": Function(lambda values: sorted(listed(values, "sorted()")), 1, 1),
    "set": Function(lambda values: set(listed(values, "set()")), 1, 1),
    "list": Function(lambda values: listed(values, "list()"), 1, 1),
    "range": Function(_range, 1, 3),
    "zip": Function(lambda a, b: list(zip(listed(a, "zip()"), listed(b, "zip()"), strict=False)), 2, 2),
    "enumerate": Function(lambda values: list(enumerate(listed(values, "enumerate()"))), 1, 1),
    "bool": Function(bool, 1, 1, "bool"),
    "int": Function(_int, 1, 1, "number"),
    "float": Function(_float, 1, 1, "number"),
    "str": Function(_text, 1, 1, "text"),
    "words": Function(lambda text: _WORDS.findall(want_text(text, "words()").lower()), 1, 1),
    "numbers": Function(_numbers, 1, 1),
    "normalise": Function(lambda text: normalise(want_text(text, "normalise()")), 1, 1, "text"),
    "same": Function(lambda a, b: same_answer(want_text(a, "same()"), want_text(b, "same()")), 2, 2, "bool"),
    "json": Function(_json, 1, 1),
    "found": Function(_found, 2, 2, "bool"),
    "find_all": Function(_find_all, 2, 2),
}
"""Name → what it does. ``json`` gives None for what is no JSON; ``found(pattern, text)`` and ``find_all`` are RE2."""

_PLAIN = [
    "lower",
    "upper",
    "casefold",
    "capitalize",
    "title",
    "strip",
    "lstrip",
    "rstrip",
    "startswith",
    "endswith",
    "count",
    "find",
    "split",
    "splitlines",
    "partition",
    "removeprefix",
    "removesuffix",
    "isdigit",
    "isalpha",
    "isalnum",
    "isspace",
    "isupper",
    "islower",
    "isnumeric",
]
METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    str: {**{name: getattr(str, name) for name in _PLAIN}, "replace": _replace, "join": _join},
    list: {"count": list.count, "index": list.index},
    tuple: {"count": tuple.count, "index": tuple.index},
    dict: {"get": _get, "keys": list, "values": lambda d: list(d.values()), "items": lambda d: list(d.items())},
}
"""Type → method → what it does; the type must be exactly this one."""
METHOD_NAMES = frozenset(name for methods in METHODS.values() for name in methods)
