"""What an expression may hold: an allow-list of Python's syntax, checked on the tree before anything runs."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from typing import Any, Literal

from evaluation.expressions.values import FUNCTIONS, METHOD_NAMES
from studio.lib.registry import close_matches

LONGEST = 2_000
MOST_NODES = 500
DEEPEST = 40
MOST_LOOPS = 2
NAMES = ("answer", "reference", "teacher", "target", "prompt", "label", "meta")
"""What an expression sees of a row."""
CONSTANTS = (str, int, float, bool, type(None))
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot)
HINTS: dict[type[ast.AST], str] = {
    ast.Lambda: "Functions can't be defined",
    ast.JoinedStr: "Texts with { } can't be used; join texts with +",
    ast.Dict: "Dictionaries can't be written; read those of meta or json(answer)",
    ast.DictComp: "Dictionaries can't be written; read those of meta or json(answer)",
    ast.NamedExpr: "Values can't be given names",
    ast.Starred: "Arguments can't be unpacked with *",
    ast.Await: "This is one plain expression",
    ast.Yield: "This is one plain expression",
    ast.YieldFrom: "This is one plain expression",
}
Kind = Literal["bool", "number", "text", "unknown"]

METHOD_KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        ("startswith", "endswith", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower"), "bool"
    ),
    **dict.fromkeys(("count", "find", "index"), "number"),
    **dict.fromkeys(("lower", "upper", "strip", "replace", "join", "title", "casefold"), "text"),
}


class ExpressionError(ValueError):
    """Everything that is wrong with an expression, in one message; ``problems`` are ``(position from 1, what)``."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"character {at}: {what}" for at, what in problems))


@dataclass(frozen=True)
class Checked:
    """An expression that may run. ``names``: those of :data:`NAMES` that it reads. ``gives``: what it certainly gives."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]
    gives: Kind


def read_expression(text: str) -> Checked:
    """Parse and check. Raises :class:`ExpressionError` with every problem and its position."""
    if len(text) > LONGEST:
        raise ExpressionError([(LONGEST + 1, f"It has {len(text):,} characters; at most {LONGEST:,}")])
    line = " ".join(text.strip().splitlines())
    if not line:
        raise ExpressionError([(1, "There is no expression")])
    if "\0" in line:
        raise ExpressionError([(line.index("\0") + 1, "This character can't be used")])
    try:
        tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError([(max(1, error.offset or 1), f"This is not Python: {error.msg}")]) from None
    except (RecursionError, MemoryError):
        raise ExpressionError([(1, "It is nested too deeply")]) from None
    except ValueError as error:
        raise ExpressionError([(1, f"This can't be read: {str(error)[:200]}")]) from None
    checker = _Checker(line)
    checker.check(tree, frozenset(NAMES), 1)
    if checker.problems:
        raise ExpressionError(sorted(set(checker.problems))[:10])
    return Checked(line, tree, tuple(name for name in NAMES if name in checker.read), kind_of(tree))


def kind_of(node: ast.expr) -> Kind:
    """What a tree certainly gives, as far as its outermost part tells."""
    match node:
        case ast.Constant(value=bool()) | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return "bool"
        case ast.Constant(value=int() | float()):
            return "number"
        case ast.Constant(value=str()):
            return "text"
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            return FUNCTIONS[name].gives
        case ast.Call(func=ast.Attribute(attr=name)):
            return METHOD_KINDS.get(name, "unknown")
        case ast.BinOp(op=ast.Div() | ast.Sub() | ast.FloorDiv() | ast.Pow() | ast.Mod()):
            return "number"
        case ast.BoolOp(values=parts):
            return _kind_of_all(parts)
        case ast.IfExp(body=body, orelse=orelse):
            return _kind_of_all([body, orelse])
    return "unknown"


def _kind_of_all(parts: list[ast.expr]) -> Kind:
    kinds = {kind_of(part) for part in parts}
    return kinds.pop() if len(kinds) == 1 else "unknown"


class _Checker:
    """Walks a tree once; ``read`` are the row's names it uses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[tuple[int, str]] = []
        self.read: set[str] = set()
        self.nodes = 0

    def say(self, node: ast.AST, what: str) -> None:
        """Note a problem at a node's place (Python counts bytes, people characters)."""
        at = len(self.text.encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore"))
        self.problems.append((at + 1, what))

    def check(self, node: ast.expr, names: frozenset[str], depth: int) -> None:
        """Check a node and what is in it; ``names`` are those that may be read here."""
        self.nodes += 1
        if depth > DEEPEST:
            return self.say(node, f"It is nested more than {DEEPEST} deep")
        if self.nodes > MOST_NODES:
            return None if self.nodes > MOST_NODES + 1 else self.say(node, f"It has more than {MOST_NODES} parts")
        inner: list[ast.expr | None] = []
        match node:
            case ast.Constant(value=value):
                if not isinstance(value, CONSTANTS):
                    self.say(node, f"A {type(value).__name__} can't be written here")
            case ast.Name(id=name):
                self._name(node, name, names)
            case ast.BoolOp(values=values):
                inner += values
            case ast.BinOp(left=left, op=op, right=right):
                if not isinstance(op, OPERATORS):
                    self.say(node, "Of the operators, + - * / // % ** can be used")
                inner += [left, right]
            case ast.UnaryOp(op=op, operand=operand):
                if isinstance(op, ast.Invert):
                    self.say(node, "~ can't be used; write “not”")
                inner.append(operand)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                if not all(isinstance(op, COMPARISONS) for op in ops):
                    self.say(node, "This comparison can't be used")
                inner += [left, *comparators]
            case ast.IfExp(test=test, body=body, orelse=orelse):
                inner += [test, body, orelse]
            case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
                inner += elts
            case ast.Subscript(value=value, slice=part):
                inner += [value, part]
            case ast.Slice(lower=lower, upper=upper, step=step):
                inner += [lower, upper, step]
            case ast.Call():
                inner += self._call(node)
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
                return self._loops(node, names, depth)
            case ast.Attribute(attr=attr):
                self.say(node, f"“.{attr}” can only be called, as in answer.lower()")
            case _:
                self.say(node, HINTS.get(type(node), "This part of Python can't be used here"))
        for one in inner:
            if one is not None:
                self.check(one, names, depth + 1)
        return None

    def _name(self, node: ast.AST, name: str, names: frozenset[str]) -> None:
        if name in NAMES:
            self.read.add(name)
        elif name in FUNCTIONS:
            self.say(node, f"“{name}” is a function: write {name}(…)")
        elif name not in names:
            self.say(node, f"There is no “{name[:40]}”. {close_matches(name[:40], list(names))}")

    def _call(self, node: ast.Call) -> list[ast.expr | None]:
        if node.keywords:
            self.say(node.keywords[0].value, "Arguments can't have names")
        match node.func:
            case ast.Name(id=name):
                known = FUNCTIONS.get(name)
                if known is None:
                    self.say(node, f"There is no function “{name[:40]}”. {close_matches(name[:40], list(FUNCTIONS))}")
                elif not known.least <= len(node.args) <= known.most:
                    self.say(node, f"{name}() takes {known.takes}, not {len(node.args)}")
            case ast.Attribute(value=value, attr=attr):
                if attr not in METHOD_NAMES:
                    near = difflib.get_close_matches(attr[:40], sorted(METHOD_NAMES), n=1)
                    hint = f". Did you mean “.{near[0]}()”?" if near and not attr.startswith("_") else ""
                    self.say(node, f"“.{attr[:40]}()” can't be used{hint}")
                return [value, *node.args]
            case _:
                self.say(node, "Only a function or a method can be called, by its name")
        return list(node.args)

    def _loops(self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp, names: frozenset[str], depth: int) -> None:
        if len(node.generators) > MOST_LOOPS:
            return self.say(node, f"At most {MOST_LOOPS} “for” in one place")
        for loop in node.generators:
            if loop.is_async:
                return self.say(node, "“async” can't be used")
            self.check(loop.iter, names, depth + 1)
            targets: list[Any] = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
            for target in targets:
                if not isinstance(target, ast.Name):
                    self.say(target, "After “for” stand plain names")
                elif target.id in NAMES or target.id in FUNCTIONS or target.id.startswith("_"):
                    self.say(target, f"“{target.id}” can't be given another meaning")
                else:
                    names |= {target.id}
            for condition in loop.ifs:
                self.check(condition, names, depth + 1)
        self.check(node.elt, names, depth + 1)
        return None
