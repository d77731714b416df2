"""The way by blocks gives the same file, the same counts and the same problems as the way line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vault import bulk, chat_columns
from vault.readers.base import RowError
from vault.readers.columns import Columns
from vault.readers.openai_chat import OpenAIChat
from vault.rows import ROWS_FILE, read_rows, write_rows
from vault.scan import Tally, good_rows


def line(*said: tuple[str, str], **more: Any) -> str:
    """One chat line as ``json.dumps`` writes it."""
    return json.dumps(
        {**more, "messages": [{"role": role, "content": text} for role, text in said]}, ensure_ascii=False
    )


PAIR = (("user", "How are you?"), ("assistant", "Well."))


def both(tmp_path: Path, content: bytes, *, size: int = 1 << 20, repeated: str = "keep", **how: Any) -> Tally:
    """Read ``content`` in both ways, compare everything, and return the counts."""
    path, reader = tmp_path / "chat.jsonl", OpenAIChat()
    path.write_bytes(content)
    params = OpenAIChat.Params(repeated=repeated, **how)
    slow, slow_problems = Tally(), list[RowError]()
    if not bulk.suits(path, reader, params):
        return slow
    items = reader.rows(path, params)
    rows = good_rows(items, slow, repeated=repeated, file_name="c.jsonl", on_problem=slow_problems.append)
    write_rows(tmp_path / "slow", rows)
    fast, fast_problems = Tally(), list[RowError]()
    work = bulk._Work(reader, params, "c.jsonl")
    with bulk.RowWriter(tmp_path / "fast") as writer:
        admission = bulk.Admission(fast, repeated=repeated, on_problem=fast_problems.append)
        for block in bulk.blocks(path, size=size):
            writer.add(admission.admit(*work.part(block)))
    assert list(read_rows(tmp_path / "fast")) == list(read_rows(tmp_path / "slow"))
    assert (tmp_path / "fast" / ROWS_FILE).read_bytes() == (tmp_path / "slow" / ROWS_FILE).read_bytes()
    assert fast_problems == slow_problems
    assert fast == slow
    return fast


def plain(content: str, **how: Any) -> int:
    """How many lines need no reader."""
    params = OpenAIChat.Params(**how)
    return len(chat_columns.convert(content.encode(), params=params, file_name="c", number=1).lines)


STRANGE = [
    *(
        "",
        " ",
        "\t\n",
        "\u3000",
        "\x85",
        'a"b',
        "a\\",
        "\\\\",
        "\\n",
        '\\\\"',
        "café",
        "İSTANBUL",
        "ΟΔΟΣ",
        "ẞ",
        "Ⱥ",
        "中文。",
    ),
    *(
        "👋🏽",
        "\u202eabc",
        "\x7f",
        "\u2028",
        '"},{"role":"user","content":"',
        '"}]}',
        "</script>",
        "1" * 300,
        "\ufeff",
        "\uffff",
        "\x1f",
    ),
]
TEXT = st.one_of(st.sampled_from(STRANGE), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
MESSAGE = st.tuples(st.sampled_from(["user", "system", "assistant", "user", "assistant", "developer", "tool"]), TEXT)
SPELL: list[dict[str, Any]] = [
    {"ensure_ascii": False},
    {},
    {"separators": (",", ":"), "ensure_ascii": False},
    {"separators": (",", ":")},
    {"separators": (", ", ":")},
]
WHOLE = st.builds(
    lambda said, spell, more, last: json.dumps(
        {**more, "messages": [{"role": role, "content": text} for role, text in said]} | last, **spell
    ),
    st.lists(MESSAGE, min_size=1, max_size=4) | st.just(list(PAIR)),
    st.sampled_from([*SPELL[:1] * 6, *SPELL]),
    st.sampled_from([{}, {}, {}, {"id": "a"}, {"id": "a"}, {"id": " é "}, {"id": ""}, {"id": 5}]),
    st.sampled_from([{}, {}, {}, {"tags": ["x"]}, {"tools": [{"a": 1}]}]),
)
RAW = st.sampled_from(
    [
        *(
            "",
            " ",
            "{}",
            "[]",
            "null",
            '{"messages": []}',
            "{",
            "\\",
            '"',
            '{"messages": [{"role": "user", "content": "\t"}]}',
        ),
        '{"messages": [{"role": "user", "content": "\\ud800"}]}',
        '{"messages": [{"role": "user", "content": "\\u0000"}]}',
        '{"messages": [{"role": "user", "content": "\\/\\u2019\\ud83d\\ude00\\u0041\\u0022"}]}',
        '{"messages": [{"role": "user", "content": "a"}]} x',
        '{"messages": [{"role": "user", "content": null}]}',
        '{"messages": [{"role": "user", "content": "a", "weight": 1}]}',
        '{"messages": [{"content": "a", "role": "user"}]}',
        '{"messages": [{"role": "user", "content": "a"}], "messages": [{"role": "user", "content": "b"}]}',
        '{"messages": [{"role": "user", "content": "a"}],}',
        '{"id": "a", "messages": [{"role": "user", "content": "a"}]}',
        '{"id": "a\\u0000", "messages": [{"role": "user", "content": "a"}]}',
        ' {"messages": [{"role": "user", "content": "a"}]}',
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(WHOLE | WHOLE | RAW, min_size=1, max_size=12),
    first=st.sampled_from([SPELL[0], SPELL[2]]),
    end=st.sampled_from(["\n", "\n", "\r\n"]),
    size=st.sampled_from([40, 300, 1 << 20]),
    repeated=st.sampled_from(["keep", "refuse"]),
    answer=st.sampled_from(["completion", "completion", "reference", "ignore"]),
    system=st.sampled_from(["", "", " ", 'Say "é".\nNow.']),
)
@example(
    lines=[line(*PAIR)] * 3, first=SPELL[0], end="\n", size=40, repeated="keep", answer="completion", system="Be kind."
)
def test_blocks_and_lines_give_the_same_dataset(
    tmp_path: Path, lines: list[str], first: Any, end: str, size: int, repeated: str, answer: str, system: str
) -> None:
    lines.insert(0, json.dumps(json.loads(line(*PAIR)), **first))
    both(tmp_path, end.join(lines).encode(), size=size, repeated=repeated, answer=answer, system_prompt=system)


def test_a_null_byte_does_not_make_the_rest_another_kind_of_file(tmp_path: Path) -> None:
    good = line(*PAIR).encode() + b"\n"
    tally = both(tmp_path, good + b'"' + good + b"\0\x01\x02\x03\n" + b"\0" * 30 + b"\n[{\n" + good)
    assert (tally.kept, tally.refused) == (2, 4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 5),
            st.sampled_from(
                [b'"', b"\\", b"\n", b"\r", b"\0", b"\xff", b"}", b"{", b",", b":", b" ", b"\\u00e9", b"\xc3\xa9", b"a"]
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    tight=st.booleans(),
)
def test_damaged_lines_are_told_apart_as_the_reader_does(
    tmp_path: Path, edits: list[tuple[int, int, bytes]], tight: bool
) -> None:
    separators = (",", ":") if tight else (", ", ": ")
    chat = {"messages": [{"role": "system", "content": "S"}, *({"role": r, "content": t} for r, t in PAIR)]}
    content = bytearray(
        b"".join(json.dumps(v, separators=separators).encode() + b"\n" for v in ({"id": "x", **chat}, chat, chat))
    )
    for place, cut, piece in edits:
        at = place % (len(content) + 1)
        content[at : at + cut] = piece
    both(tmp_path, bytes(content), size=200)


def test_ordinary_lines_are_plain() -> None:
    """Otherwise everything above would hold, slowly."""
    chat = line(("system", "Be kind."), *PAIR, ("user", 'A "quoted" C:\\path\nand café'), ("assistant", "Déjà vu 👋"))
    assert plain(chat + "\n" + line(*PAIR) + "\n" + line(*PAIR, id="r 1") + "\n") == 3
    assert plain(json.dumps(json.loads(chat), separators=(",", ":")) + "\r\n") == 1
    assert plain(json.dumps(json.loads(chat)) + "\n", system_prompt="x") == 1
    assert plain('{"messages": [{"role": "user", "content": "a\\/b \\u2019"}]}\n') == 1
    assert plain(line(("user", " "), ("assistant", "x")) + "\n") == 0
    assert plain(line(("user", "x"), ("assistant", "")) + "\n") == 0


def test_ids_stay_unique_over_many_blocks(tmp_path: Path) -> None:
    said = [f"Question {n % 700}" for n in range(2000)] + ["Question 3-2"] * 3
    lines = [line(("user", text), ("assistant", "x"), **({"id": text} if n % 3 else {})) for n, text in enumerate(said)]
    tally = both(tmp_path, "\n".join(lines).encode(), size=3000)
    assert tally.kept == 2003 and tally.repeated > 500
    both(tmp_path, "\n".join(lines).encode(), size=3000, repeated="refuse")


def test_bytes_that_are_no_utf8_refuse_their_line_alone(tmp_path: Path) -> None:
    good = line(*PAIR).encode()
    tally = both(tmp_path, b"\xef\xbb\xbf" + b"\n".join([good, good[:-9] + b"\xff" + good[-9:], good]))
    assert (tally.kept, tally.refused) == (2, 1) and tally.problems[0].line == 2


@pytest.mark.parametrize(
    "content,fits",
    [
        (line(*PAIR) + "\n", True),
        (line(*PAIR) + "\r" + line(*PAIR), False),
        ("[" + line(*PAIR) + "]", False),
        ("text\nx\n", False),
    ],
)
def test_only_chat_lines_are_read_in_blocks(tmp_path: Path, content: str, fits: bool) -> None:
    path = tmp_path / "file"
    path.write_text(content, newline="")
    assert bulk.suits(path, OpenAIChat(), OpenAIChat.Params()) is fits
    assert not bulk.suits(path, OpenAIChat(), OpenAIChat.Params(encoding="cp1252"))
    assert not bulk.suits(path, OpenAIChat(), OpenAIChat.Params(turns="all"))
    assert not bulk.suits(path, Columns(), Columns.Params())


def test_a_reader_that_thinks_otherwise_is_asked_for_every_line(tmp_path: Path) -> None:
    class Shouting(OpenAIChat):
        def rows(self, path: Path, params: Any) -> Any:
            for item in super().rows(path, params):
                yield item if isinstance(item, RowError) else type(item)(**{**_fields(item), "tags": ["loud"]})

    path = tmp_path / "chat.jsonl"
    path.write_text(line(*PAIR) + "\n")
    params = OpenAIChat.Params()
    first = next(bulk.blocks(path))
    assert bulk._Work(OpenAIChat(), params, "c").agrees(first)
    assert not bulk._Work(Shouting(), params, "c").agrees(first)
    with pytest.raises(bulk.Unsuitable):
        bulk.write(path, tmp_path / "out", Shouting(), params, Tally(), file_name="c", beat=lambda: None)
    assert not (tmp_path / "out").exists()


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def test_a_line_longer_than_the_limit_is_left_to_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LINE_LIMIT", 1000)
    path = tmp_path / "chat.jsonl"
    path.write_text(line(*PAIR) + "\n" + "x" * 5000)
    with pytest.raises(bulk.Unsuitable):
        list(bulk.blocks(path, size=100))
