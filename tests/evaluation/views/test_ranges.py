"""Byte ranges."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.views import ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=2-5", (2, 5)),
        ("bytes=7-", (7, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-30", (0, 9)),
        ("bytes=5-100", (5, 9)),
        ("bytes=10-", None),
        ("bytes=5-2", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
    ],
)
def test_one_range_of_a_ten_byte_file(header: str, expected: tuple[int, int] | None) -> None:
    assert ranges.read_range(header, 10) == expected


def test_a_slice_is_exactly_the_bytes_asked_for_also_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "BLOCK", 3)
    file = tmp_path / "f"
    file.write_bytes(b"0123456789")
    assert list(ranges.slice_of(file, 2, 8)) == [b"234", b"567", b"8"]
