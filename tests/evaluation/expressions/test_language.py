"""What an expression may hold, and where it says that something may not."""

from __future__ import annotations

import pytest

from evaluation.expressions.language import LONGEST, ExpressionError, read_expression


@pytest.mark.parametrize(
    ("text", "names", "gives"),
    [
        ("len(answer) <= 280", ("answer",), "bool"),
        ("len(words(answer)) / len(words(target))", ("answer", "target"), "number"),
        ("answer.lower().startswith('yes') if meta.get('yes') else not answer", ("answer", "meta"), "bool"),
        ("all(w in words(answer) for w in words(reference) if len(w) > 3)", ("answer", "reference"), "bool"),
        ("json(answer)['total'] == json(reference)['total']", ("answer", "reference"), "bool"),
        ("answer\n  == teacher", ("answer", "teacher"), "bool"),
        ("answer.upper()", ("answer",), "text"),
    ],
)
def test_what_people_need_can_be_said(text: str, names: tuple[str, ...], gives: str) -> None:
    found = read_expression(text)
    assert (found.names, found.gives) == (names, gives)


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("().__class__", 1, "can only be called"),
        ("().__class__.__bases__[0].__subclasses__()", 1, "__subclasses__"),
        ("answer.__class__()", 1, "__class__"),
        ("'{0.__class__}'.format(answer)", 1, r"“.format\(\)” can't be used"),
        ("'%s'.format_map(meta)", 1, "format_map"),
        ("f'{answer.__class__}'", 1, "join texts with"),
        ("__import__('os').system('true')", 1, "__import__"),
        ("open('/etc/passwd')", 1, "no function “open”"),
        ("getattr(answer, 'x')", 1, "no function “getattr”"),
        ("(lambda: 1)()", 1, "by its name"),
        ("[x for x in answer for y in answer for z in answer]", 1, "At most 2"),
        ("[answer for len in answer]", 13, "another meaning"),
        ("(n := 5)", 2, "given names"),
        ("1 if answr else 2", 6, "Did you mean 'answer'"),
        ("len", 1, r"write len\(…\)"),
        ("len(answer, prompt)", 1, "takes 1 argument, not 2"),
        ("sorted(answer, reverse=True)", 24, "can't have names"),
        ("len(*answer)", 5, "unpacked"),
        ("answer.lowr() == 'a'", 1, r"Did you mean “.lower\(\)”"),
        ("1 << 100", 1, "Of the operators"),
        ("~1", 1, "write “not”"),
        ("b'bytes'", 1, "bytes can't be written"),
        ("1j", 1, "complex can't be written"),
        ("...", 1, "ellipsis can't be written"),
        ("{'a': 1}", 1, "Dictionaries"),
        ("len(answer) <", 0, "not Python"),
        ("import os", 0, "not Python"),
        ("a; b", 0, "not Python"),
        ("  ", 1, "no expression"),
        ("1\0", 2, "character can't be used"),
        ("-" * 1_500 + "1", 0, "nested more than 40"),
        ("(" * 300 + "1" + ")" * 300, 0, "too many nested"),
        ("+".join("1" * 900), 0, "parts|nested"),
        ("[" + ",".join("1" * 900) + "]", 0, "more than 500 parts"),
        ("é == answer.foo()", 1, "no “é”"),
    ],
)
def test_what_may_not_be_is_told_with_its_place(text: str, at: int, said: str) -> None:
    with pytest.raises(ExpressionError, match=said) as caught:
        read_expression(text)
    assert not at or at in [place for place, _ in caught.value.problems]


def test_places_count_characters_and_not_bytes() -> None:
    with pytest.raises(ExpressionError) as caught:
        read_expression("'ééé' == nobody")
    assert caught.value.problems[0][0] == 10


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ExpressionError, match=r"character 1: .*one.*; character 7: .*two"):
        read_expression("one + two")


def test_megabytes_are_refused_before_they_are_read() -> None:
    with pytest.raises(ExpressionError, match="5,000,000 characters"):
        read_expression("x" * 5_000_000)
    with pytest.raises(ExpressionError, match=f"at most {LONGEST:,}"):
        read_expression("1" + " " * LONGEST)
