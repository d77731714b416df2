"""Bytes to lines, with every surprise named: encodings, binary files under a text name, lines without an end."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from vault.readers.base import ReaderError

LINE_LIMIT = 16 << 20
"""Longest line read, in bytes; a longer one is reported and skipped without being held in memory."""
HEAD = 64 << 10
CHUNK = 1 << 20

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

UNPACK = "Unpack it and upload the files inside."
AS_TEXT = "Export it as CSV, Parquet or JSON lines and upload that."
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", UNPACK),
    (b"\x1f\x8b", "gzip-compressed", UNPACK),
    (b"\x28\xb5\x2f\xfd", "Zstandard-compressed", UNPACK),
    (b"BZh", "bzip2-compressed", UNPACK),
    (b"\xfd7zXZ\x00", "XZ-compressed", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"PAR1", "a Parquet file", AS_TEXT),
    (b"PARE", "an encrypted Parquet file", "Write it without encryption and upload that."),
    (b"ARROW1", "an Arrow file", AS_TEXT),
    (b"FEA1", "a Feather file of the first version", "Write it again as Feather 2 or Parquet."),
    (b"Obj\x01", "an Avro file", AS_TEXT),
    (b"ORC", "an ORC file", AS_TEXT),
    (b"SQLite format 3\x00", "an SQLite database", AS_TEXT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (XLS, DOC), or one with a password", AS_TEXT),
    (b"%PDF", "a PDF document", AS_TEXT),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", "Choose the file with the rows."),
    (b"\xff\xd8\xff", "a JPEG picture", "Choose the file with the rows."),
    (b"GIF8", "a GIF picture", "Choose the file with the rows."),
    (b"GGUF", "a GGUF model", "Models are not uploaded here; choose the file with the rows."),
    (b"\x7fELF", "a program", "Choose the file with the rows."),
    (b"MZ\x90\x00", "a program", "Choose the file with the rows."),
)
HTML = re.compile(rb"^\s*<(!doctype\s+html|html)[\s>]", re.IGNORECASE)
ESCAPED = re.compile("[\udc80-\udcff]")


class Encoding(NamedTuple):
    """A Python codec name, and a sentence for the user when it had to be guessed."""

    name: str
    notice: str = ""


class Line(NamedTuple):
    """One physical line with its number (from 1) and its line end. ``problem`` says why ``text`` is not usable."""

    number: int
    text: str
    problem: str = ""


def read_head(path: Path) -> bytes:
    """The first 64 KiB of a file."""
    with path.open("rb") as source:
        return source.read(HEAD)


def refuse_binary(head: bytes, name: str) -> None:
    """Raise :class:`ReaderError` for an empty file or one whose first bytes are not text, whatever its name says."""
    if not head.strip():
        raise ReaderError(f"{name} is empty: it holds no rows.", action="Choose a file that holds rows.")
    for magic, what, action in MAGIC:
        # Letters alone may begin a text too: then a null byte has to follow.
        if head.startswith(magic) and (len(magic) > 3 or not magic.isalnum() or b"\0" in head[:64]):
            raise ReaderError(f"{name} is not a text file: its first bytes say that it is {what}.", action=action)
    if head[257:262] == b"ustar":
        raise ReaderError(f"{name} is a TAR archive.", action=UNPACK)
    if HTML.match(head):
        raise ReaderError(
            f"{name} is a web page (HTML), perhaps an error or sign-in page saved under this name.",
            action="Download the file again and check that it opens as text with one row a line.",
        )
    control = sum(1 for byte in head if byte < 32 and byte not in b"\t\n\r\x0b\x0c\x1b")
    if control > len(head) // 10 and not _is_wide(head):
        raise ReaderError(
            f"{name} is not a text file: {control:,} of its first {len(head):,} bytes are control bytes.",
            action="Upload CSV, TSV or JSON lines.",
        )


def _is_wide(head: bytes) -> bool:
    return any(head.startswith(bom) for bom, name in BOMS if name != "utf-8-sig") or bool(_bare_wide(head))


def _bare_wide(head: bytes) -> str:
    """The UTF-16 flavour of text without a byte order mark, or an empty string."""
    if len(head) < 4:
        return ""
    half = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.05:
        return "utf-16-be"
    return ""


def detect_encoding(path: Path, *, wanted: str = "auto") -> Encoding:
    """How to decode a file. Reads it once, 1 MiB at a time.

    A byte order mark decides; then valid UTF-8; then UTF-16 by its null bytes. A file that is mostly valid UTF-8 stays
    UTF-8 (its bad lines are reported one by one); anything else is read as Windows-1252, and ``notice`` says so.
    """
    facts = path.stat()
    return _detect(path, facts.st_size, facts.st_mtime_ns, wanted)


@lru_cache(maxsize=64)
def _detect(path: Path, size: int, changed_ns: int, wanted: str) -> Encoding:
    """Remembered as long as the file does not change: a preview asks several times."""
    head = read_head(path)
    for bom, name in BOMS:
        if head.startswith(bom):
            return Encoding(name)
    if wanted == "utf-16":
        return Encoding(_bare_wide(head) or "utf-16-le")
    if wanted != "auto":
        return Encoding(wanted)
    wide = _bare_wide(head)
    if wide:
        return Encoding(wide, "The file has no byte order mark; it was read as UTF-16.")
    if _is_utf8(path):
        return Encoding("utf-8")
    good, bad = _count_utf8(path)
    if good > bad:
        return Encoding(
            "utf-8", f"The file is UTF-8, but {bad:,} bytes in it are not; the lines that hold them are refused."
        )
    return Encoding(
        "cp1252",
        "The file is not UTF-8; it was read as Windows-1252 (Western European). If letters look wrong, choose its "
        "encoding, or save it as UTF-8.",
    )


def is_utf8(data: bytes) -> bool:
    """Whether these bytes are whole characters of UTF-8. Arrow's check is many times faster than decoding, and lets other
    threads work meanwhile."""
    import pyarrow as pa

    ends = pa.py_buffer(len(data).to_bytes(8, "little").rjust(16, b"\0"))
    text = pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(data))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _is_utf8(path: Path) -> bool:
    """Whether every byte of a file is UTF-8: one fast pass, which spares nearly every file the counting."""
    rest = b""
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            data = rest + chunk
            # A character may go on in the next piece.
            end = next(
                (at for at in range(len(data) - 1, max(len(data) - 5, -1), -1) if data[at] & 0xC0 != 0x80), len(data)
            )
            if not is_utf8(data[:end]):
                return False
            rest = data[end:]
    return is_utf8(rest)


def _count_utf8(path: Path) -> tuple[int, int]:
    """How many characters beyond ASCII decode as UTF-8, and how many bytes do not."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = bad = 0
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            text = decoder.decode(chunk)
            if text.isascii():
                continue
            clean = ESCAPED.sub("", text)
            bad += len(text) - len(clean)
            good += len(clean) - len(clean.encode("ascii", "ignore"))
    bad += len(decoder.decode(b"", final=True))
    return good, bad


class _Transcoded(io.RawIOBase):
    """A file as UTF-8 bytes with ``\\n`` line ends, for encodings whose line end is not one byte 0x0A."""

    def __init__(self, source: io.BufferedReader, encoding: str) -> None:
        self._source = source
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._pending = b""
        self._done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._pending and not self._done:
            chunk = self._source.read(CHUNK)
            self._done = not chunk
            self._pending = self._decoder.decode(chunk, final=self._done).encode("utf-8", "replace")
        size = min(len(view), len(self._pending))
        view[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size


def lines(path: Path, *, encoding: str, limit: int = LINE_LIMIT) -> Iterator[Line]:
    """Every physical line of a file, its line end kept. Memory: one line of at most ``limit`` bytes."""
    with path.open("rb") as raw:
        source, codec = _open(raw, encoding)
        number = 0
        while data := source.readline(limit + 1):
            number += 1
            if len(data) > limit and not data.endswith(b"\n"):
                size = len(data)
                while (more := source.readline(limit)) and not more.endswith(b"\n"):
                    size += len(more)
                size += len(more)
                shown = data[:400].decode(codec, "replace")
                yield Line(number, shown, f"The line is too long: {size:,} bytes, and the limit is {limit:,}.")
                continue
            yield _decoded(number, data, codec)


def _open(raw: io.BufferedReader, encoding: str) -> tuple[io.BufferedReader, str]:
    head = raw.peek(HEAD)[:HEAD]
    if encoding.startswith(("utf-16", "utf-32")):
        return io.BufferedReader(_Transcoded(raw, encoding), CHUNK), "utf-8"
    if b"\r" in head and b"\n" not in head:
        return io.BufferedReader(_Transcoded(raw, encoding), CHUNK), "utf-8"
    if encoding == "utf-8-sig":
        raw.seek(len(codecs.BOM_UTF8))
        return raw, "utf-8"
    return raw, encoding


def _decoded(number: int, data: bytes, codec: str) -> Line:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        reason = (
            f"Byte 0x{data[error.start]:02X} at position {error.start + 1} of the line is not valid {codec.upper()}."
        )
        return Line(number, data[:400].decode(codec, "replace"), reason)
    if "\0" in text:
        return Line(number, text[:400].replace("\0", "␀"), f"A null byte at position {text.index(chr(0)) + 1}.")
    return Line(number, text)
