from __future__ import annotations

import gzip
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from openpyxl import Workbook

from vault.archives import Limits, expand, is_packed
from vault.readers.base import ReaderError

LINES = b'{"prompt": "a", "completion": "b"}\n' * 3


def zipped(path: Path, **parts: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in parts.items():
            out.writestr(name, content)
    return path


def make(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_plain_file_and_a_workbook_are_themselves(tmp_path: Path) -> None:
    plain = make(tmp_path, "a.gz", b"text\nx\n")
    Workbook().save(tmp_path / "a.xlsx")
    for path in (plain, tmp_path / "a.xlsx"):
        assert not is_packed(path) and expand(path, tmp_path / "out") == [path]
    assert not (tmp_path / "out").exists()


def test_gzip_is_unpacked_whatever_its_name_says(tmp_path: Path) -> None:
    [found] = expand(make(tmp_path, "rows.csv", gzip.compress(LINES) + gzip.compress(LINES)), tmp_path / "out")
    assert found.read_bytes() == LINES * 2 and found.name == "0001-rows.csv"
    assert expand(make(tmp_path, "rows.jsonl.gz", gzip.compress(LINES)), tmp_path / "o2")[0].name == "0001-rows.jsonl"


def test_zstandard_is_unpacked(tmp_path: Path) -> None:
    with pa.CompressedOutputStream(str(tmp_path / "a.jsonl.zst"), "zstd") as out:
        out.write(LINES)
    [found] = expand(tmp_path / "a.jsonl.zst", tmp_path / "out")
    assert found.read_bytes() == LINES


def test_names_in_a_zip_never_become_paths(tmp_path: Path) -> None:
    names = ["../../evil.csv", "/etc/evil.csv", "C:\\evil.csv", "a/b.csv", "a_b.csv", "‮vsc.csv", "x" * 300 + ".csv"]
    path = zipped(tmp_path / "a.zip", **dict.fromkeys(names, b"text\nx\n"))
    found = expand(path, tmp_path / "deep/er/out")
    assert len(found) == len(set(found)) == 7
    assert {file.parent for file in found} == {tmp_path / "deep/er/out"}
    everything = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(everything) == sorted([*found, path])


def test_only_data_is_taken_out_of_a_zip(tmp_path: Path) -> None:
    parts = {"b.csv": b"b", "a.jsonl": b"a", "run.py": b"", "README.md": b"", "__MACOSX/._b.csv": b"", ".x.csv": b""}
    found = expand(zipped(tmp_path / "a.zip", **parts), tmp_path / "out")
    assert [file.name for file in found] == ["0001-a.jsonl", "0002-b.csv"]
    with pytest.raises(ReaderError, match="holds no data file"):
        expand(zipped(tmp_path / "b.zip", **{"run.py": b""}), tmp_path / "o2")


SMALL = Limits(total_bytes=1 << 20, entries=3, ratio=10, free_bytes=1 << 16)


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path, kind: str) -> None:
    content, path = b"\n" * (8 << 20), tmp_path / "bomb"
    if kind == "gzip":
        path.write_bytes(gzip.compress(content))
    elif kind == "zip":
        zipped(path, **{"a.csv": content})
    else:
        with pa.CompressedOutputStream(str(path), "zstd") as out:
            out.write(content)
    with pytest.raises(ReaderError, match=r"as a zip bomb does|unpacks to more than 1,048,576 bytes"):
        expand(path, tmp_path / "out", limits=SMALL)
    assert sum(file.stat().st_size for file in (tmp_path / "out").iterdir()) <= 1 << 20


def test_the_total_counts_over_all_files_of_a_zip(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 1_600
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        for number in range(3):
            out.writestr(f"{number}.csv", noise)
    with pytest.raises(ReaderError, match="more than 1,048,576 bytes"):
        expand(path, tmp_path / "out", limits=SMALL)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", **{f"{n}.csv": b"x" for n in range(4)})
    with pytest.raises(ReaderError, match="4 data files; the limit is 3"):
        expand(path, tmp_path / "out", limits=SMALL)


def test_a_table_of_contents_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    content = zipped(tmp_path / "a.zip", **{"a.csv": b"x"}).read_bytes()
    at = content.rfind(b"PK\x05\x06")
    lying = content[: at + 12] + struct.pack("<I", 512 << 20) + content[at + 16 :]
    with pytest.raises(ReaderError, match="more than 10,000 files"):
        expand(make(tmp_path, "b.zip", lying), tmp_path / "out")


@pytest.mark.parametrize(
    "parts",
    [
        {"inner.zip": b"x"},
        {"inner.csv.gz": b"x"},
        {"inner.csv": gzip.compress(b"x")},
        {"inner.csv": b"PK\x03\x04" + b"\0" * 60},
        {"inner.csv": b"\0" * 257 + b"ustar\0"},
    ],
)
def test_archives_inside_archives_are_refused(tmp_path: Path, parts: dict[str, bytes]) -> None:
    with pytest.raises(ReaderError, match=r"holds another archive|ends too early"):
        expand(zipped(tmp_path / "a.zip", **parts), tmp_path / "out")


def test_gzip_inside_gzip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="holds another archive"):
        expand(make(tmp_path, "a.gz", gzip.compress(gzip.compress(LINES))), tmp_path / "out")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "a.zip", **{"a.csv": b"text\nx\n"}).read_bytes())
    content[6] |= 1
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ReaderError, match="encrypted"):
        expand(make(tmp_path, "b.zip", bytes(content)), tmp_path / "out")


@pytest.mark.parametrize("cut", [3, 12, -3, -20])
@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_a_damaged_archive_says_so(tmp_path: Path, kind: str, cut: int) -> None:
    path = tmp_path / "a"
    if kind == "zip":
        zipped(path, **{"a.csv": LINES * 50})
    elif kind == "gzip":
        path.write_bytes(gzip.compress(LINES * 50))
    else:
        with pa.CompressedOutputStream(str(path), "zstd") as out:
            out.write(LINES * 50)
    damaged = make(tmp_path, "b", path.read_bytes()[:cut])
    if not is_packed_safely(damaged):
        return
    with pytest.raises(ReaderError) as caught:
        expand(damaged, tmp_path / "out")
    assert str(caught.value) and caught.value.action


def is_packed_safely(path: Path) -> bool:
    try:
        return is_packed(path)
    except ReaderError:
        return False


def test_unpacking_shows_that_it_is_alive(tmp_path: Path) -> None:
    beats: list[int] = []
    expand(make(tmp_path, "a.gz", gzip.compress(b"x" * (3 << 20))), tmp_path / "out", beat=lambda: beats.append(1))
    assert len(beats) == 3
