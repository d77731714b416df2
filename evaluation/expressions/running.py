"""Evaluating a checked tree, one node at a time, within a number of steps."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from evaluation.expressions.language import Checked
from evaluation.expressions.values import (
    FUNCTIONS,
    METHODS,
    MOST_BITS,
    Failed,
    few_enough,
    fits,
    listed,
    long_enough,
    name_of,
)

MOST_STEPS = 200_000
NUMBERS = (int, float, bool)
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**"}


def evaluate(checked: Checked, values: Mapping[str, Any], *, steps: int = MOST_STEPS) -> Any:
    """What the expression gives for a row. Raises :class:`Failed` in words.

    Time within one step is not limited here: the process that runs this has a limit of processor time.
    """
    try:
        return _Run(steps).value(checked.tree, dict(values))
    except Failed:
        raise
    except ZeroDivisionError:
        raise Failed("it divides by zero") from None
    except OverflowError:
        raise Failed("a number grew too large") from None
    except MemoryError:
        raise Failed("it needs too much memory") from None
    except RecursionError:
        raise Failed("a value is nested too deeply") from None
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise Failed(_in_words(error)) from None


def _in_words(error: Exception) -> str:
    match error:
        case KeyError():
            return f"there is no {str(error)[:80]} in it"
        case IndexError():
            return "there is no item at this place"
    return str(error)[:200] or type(error).__name__


class _Run:
    """One evaluation: counts its steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Count steps; raises :class:`Failed` when none are left."""
        self.left -= steps
        if self.left < 0:
            raise Failed("it takes too many steps")

    def value(self, node: ast.expr, names: dict[str, Any]) -> Any:
        """The value of a node."""
        self.spend(1)
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return names[name]
            case ast.BoolOp(op=op, values=parts):
                stop_at = isinstance(op, ast.Or)
                found: Any = None
                for part in parts:
                    found = self.value(part, names)
                    if bool(found) is stop_at:
                        break
                return found
            case ast.BinOp(left=left, op=op, right=right):
                return self.arithmetic(type(op), self.value(left, names), self.value(right, names))
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(op, self.value(operand, names))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self.compare(self.value(left, names), ops, comparators, names)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test, names) else orelse, names)
            case ast.List(elts=elts):
                return [self.value(part, names) for part in elts]
            case ast.Tuple(elts=elts):
                return tuple([self.value(part, names) for part in elts])
            case ast.Set(elts=elts):
                return {self.value(part, names) for part in elts}
            case ast.Subscript(value=inner, slice=part):
                return self.part(self.value(inner, names), part, names)
            case ast.Call(func=ast.Name(id=name), args=args):
                given = [self.value(arg, names) for arg in args]
                self.charge(given)
                return fits(FUNCTIONS[name].run(*given))
            case ast.Call(func=ast.Attribute(value=inner, attr=attr), args=args):
                return self.method(self.value(inner, names), attr, [self.value(arg, names) for arg in args])
            case ast.GeneratorExp(elt=elt, generators=generators) | ast.ListComp(elt=elt, generators=generators):
                return self.loop(elt, generators, names)
            case ast.SetComp(elt=elt, generators=generators):
                return set(self.loop(elt, generators, names))
        raise Failed("this part of Python can't be used here")

    def charge(self, given: list[Any]) -> None:
        """What a call over long values costs."""
        for value in given:
            if type(value) in (list, tuple, set, dict):
                self.spend(len(value))

    def arithmetic(self, op: type[ast.operator], a: Any, b: Any) -> Any:
        """``a op b`` for numbers, ``+`` for two texts or lists, ``*`` for a text or list and a whole number."""
        if type(a) in NUMBERS and type(b) in NUMBERS:
            whole = op is ast.Pow and type(a) is not float and type(b) is not float
            if whole and b > 0 and max(1, int(a).bit_length()) * b > 2 * MOST_BITS:
                raise Failed("a whole number grew too large")
            return fits(ARITHMETIC[op](a, b))
        if op is ast.Add and type(a) is type(b) and type(a) in (str, list, tuple):
            (long_enough if type(a) is str else few_enough)(len(a) + len(b))
            return a + b
        if op is ast.Mult:
            many, times = (b, a) if type(a) is int else (a, b)
            if type(many) in (str, list, tuple) and type(times) is int:
                (long_enough if type(many) is str else few_enough)(len(many) * max(0, times))
                return many * times
        raise Failed(f"{SIGNS[op]} can't be used between {name_of(a)} and {name_of(b)}")

    def unary(self, op: ast.unaryop, value: Any) -> Any:
        """``not``, ``-`` and ``+``."""
        if isinstance(op, ast.Not):
            return not value
        if type(value) not in NUMBERS:
            raise Failed(f"{name_of(value)} has no sign")
        return -value if isinstance(op, ast.USub) else +value

    def compare(self, left: Any, ops: list[ast.cmpop], others: list[ast.expr], names: dict[str, Any]) -> bool:
        """A chain of comparisons, as Python reads it."""
        for op, other in zip(ops, others, strict=True):
            right = self.value(other, names)
            self.charge([left, right])
            if isinstance(op, ast.In | ast.NotIn) and type(right) not in (str, list, tuple, set, dict):
                raise Failed(f"“in” needs a text or several values, not {name_of(right)}")
            if not COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def part(self, value: Any, part: ast.expr, names: dict[str, Any]) -> Any:
        """``value[part]``."""
        if type(value) not in (str, list, tuple, dict):
            raise Failed(f"{name_of(value)} has no parts")
        if not isinstance(part, ast.Slice):
            return value[self.value(part, names)]
        if type(value) is dict:
            raise Failed("a dictionary can't be sliced")
        ends = [None if end is None else self.value(end, names) for end in (part.lower, part.upper, part.step)]
        return value[slice(*ends)]

    def method(self, value: Any, name: str, args: list[Any]) -> Any:
        """``value.name(args)``, looked up in the table of the value's own type."""
        found = METHODS.get(type(value), {}).get(name)
        if found is None:
            raise Failed(f"{name_of(value)} has no .{name}()")
        self.charge([value, *args])
        return fits(found(value, *args))

    def loop(self, elt: ast.expr, generators: list[ast.comprehension], names: dict[str, Any]) -> list[Any]:
        """The items of a comprehension."""
        if not generators:
            return [self.value(elt, names)]
        first, rest = generators[0], generators[1:]
        found: list[Any] = []
        for item in listed(self.value(first.iter, names), "“for”"):
            self.spend(1)
            inner = {**names, **self.bind(first.target, item)}
            if all(self.value(condition, inner) for condition in first.ifs):
                found += self.loop(elt, rest, inner)
                few_enough(len(found))
        return found

    def bind(self, target: ast.expr, item: Any) -> dict[str, Any]:
        """The names after ``for`` with their values."""
        if isinstance(target, ast.Name):
            return {target.id: item}
        parts = [part.id for part in target.elts]  # type: ignore[attr-defined]
        given = listed(item, "“for”")
        if len(given) != len(parts):
            raise Failed(f"“for” has {len(parts)} names for {len(given)} values")
        return dict(zip(parts, given, strict=True))
