"""Plain columns (CSV, TSV or JSON lines) that the user maps: which of them make the prompt, the answers, the id, the tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.lib.params import param
from studio.lib.registry import close_matches
from vault.readers import jsonl
from vault.readers.base import BadRow, Reader, ReaderError, RowError, TextParams, excerpt
from vault.readers.delimited import open_table, table_rows
from vault.readers.messages import answer, tag_list, text_value, with_system
from vault.readers.text import read_head
from vault.rows import Message, Row, assistant, prompt_id

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}\n]+)\}")
DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "bar": "|"}
SAMPLE = 200

GUESSES = {
    "prompt": ("prompt", "text", "question", "input", "instruction", "query", "utterance", "message", "description"),
    "completion": ("completion", "answer", "output", "response", "teacher", "prediction"),
    "reference": ("reference", "gold", "label", "category", "intent", "target", "class"),
    "id": ("id", "uuid", "row_id", "key"),
}


class Columns(Reader):
    """CSV, TSV or JSON lines with columns of any name. The prompt is a template with ``{column}`` placeholders."""

    label: ClassVar[str] = "Columns"
    description: ClassVar[str] = "CSV, TSV or JSON lines with columns that you map."

    class Params(TextParams):
        """Which columns become what."""

        prompt: str = param(
            "",
            label="Prompt",
            help="The user message. {column} stands for the row's value; write {{ and }} for braces.",
            widget="textarea",
        )
        system_prompt: str = param(
            "",
            label="System prompt",
            help="Put before every prompt, word for word (no placeholders). Leave empty for none.",
            widget="textarea",
        )
        completion: str = param("", label="Teacher's answer", help="The column to learn from. Empty: none yet.")
        reference: str = param("", label="Reference", help="The column with the gold answer. Empty: none.")
        id: str = param("", label="Id", help="The column that names each row. Empty: made from the prompt.")
        tags: list[str] = param(list, label="Tags", help="Columns whose values become tags, one a line.")
        delimiter: Literal["auto", "comma", "tab", "semicolon", "bar"] = param(
            "auto", label="Delimiter", help="What separates the columns of a CSV file.", advanced=True
        )
        header: bool = param(True, label="The first line names the columns", advanced=True)

    def sniff(self, head: bytes, name: str) -> bool:
        """True for any text: this is the reader of last resort."""
        return bool(head.strip())

    def columns(self, path: Path, params: Params) -> list[str]:
        """The file's column names: the header's, or the keys of the first 200 JSON objects."""
        if is_jsonl(path):
            found: dict[str, None] = {}
            for item in islice(jsonl.objects(path, encoding=params.encoding), SAMPLE):
                if not isinstance(item, RowError):
                    found.update(dict.fromkeys(item[1]))
            return list(found)
        return open_table(path, encoding=params.encoding, delimiter=_delimiter(params), header=params.header).names

    def suggest(self, path: Path) -> dict[str, Any]:
        """A mapping guessed from the columns' names."""
        names = self.columns(path, self.Params())
        lowered = {name.strip().lower(): name for name in reversed(names)}
        guess = {
            field: next((lowered[word] for word in words if word in lowered), "") for field, words in GUESSES.items()
        }
        if not guess["prompt"]:
            taken = {guess["completion"], guess["reference"], guess["id"]}
            guess["prompt"] = next((name for name in names if name not in taken), "")
        guess["prompt"] = "{" + guess["prompt"] + "}" if guess["prompt"] else ""
        return dict(guess)

    def problems(self, path: Path, params: Params) -> list[tuple[str, str]]:
        """Names in the mapping that are no column of this file."""
        names = self.columns(path, params)
        found = []
        wanted = placeholders(params.prompt)
        if not wanted:
            text = "The prompt needs at least one {column}, or every row would ask the same."
            found.append(("prompt", f"{text} Columns: {', '.join(names)}."))
        for field, chosen in (
            ("prompt", wanted),
            ("completion", [params.completion]),
            ("reference", [params.reference]),
            ("id", [params.id]),
            ("tags", params.tags),
        ):
            for name in chosen:
                if name and name not in names:
                    found.append((field, f"There is no column '{name}'. {close_matches(name, names)}"))
        return found

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`. Raises :class:`ReaderError` when the mapping does not fit the file."""
        wrong = self.problems(path, params)
        if wrong:
            raise ReaderError(
                " ".join(message for _, message in wrong), action="Choose the columns again in the mapping."
            )
        for item in self._records(path, params):
            if isinstance(item, RowError):
                yield item
                continue
            line, cells, text = item
            try:
                yield make_row(cells, params, line=line)
            except BadRow as bad:
                yield RowError(line, bad.column, bad.reason, excerpt(text))

    def _records(self, path: Path, params: Params) -> Iterator[tuple[int, dict[str, Any], str] | RowError]:
        if is_jsonl(path):
            yield from jsonl.objects(path, encoding=params.encoding)
            return
        table = open_table(path, encoding=params.encoding, delimiter=_delimiter(params), header=params.header)
        yield from table_rows(path, table, header=params.header)


def _delimiter(params: Columns.Params) -> str:
    return DELIMITERS.get(params.delimiter, "auto")


def is_jsonl(path: Path) -> bool:
    """Whether a file's first line begins a JSON object (or array, which the JSON reader then refuses in words)."""
    head = read_head(path)
    return jsonl.first_object(head) is not None or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[{", b"[\n"))


def placeholders(template: str) -> list[str]:
    """The column names a template asks for."""
    return [m.group(1) for m in PLACEHOLDER.finditer(template) if m.group(1) is not None]


def render(template: str, cells: dict[str, Any]) -> str:
    """The template with each ``{column}`` replaced by its value, ``{{`` and ``}}`` by braces."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return match.group(0)[0] if name is None else text_value(cells.get(name))

    return PLACEHOLDER.sub(value, template)


def make_row(cells: dict[str, Any], params: Columns.Params, *, line: int) -> Row:
    """One record as a row; raises :class:`BadRow` when every column of its prompt is empty."""
    wanted = placeholders(params.prompt)
    if not any(text_value(cells.get(name)).strip() for name in wanted):
        empty = "is empty" if len(wanted) == 1 else "are all empty"
        raise BadRow(f"There is no prompt: {', '.join(wanted)} {empty}.", column=wanted[0])
    user: Message = {"role": "user", "content": render(params.prompt, cells)}
    prompt = with_system([user], params.system_prompt)
    return Row(
        id=(text_value(cells.get(params.id)).strip() if params.id else "") or prompt_id(prompt),
        prompt=prompt,
        completion=_cell_answer(cells, params.completion),
        reference=_cell_answer(cells, params.reference),
        tags=[tag for name in params.tags for tag in tag_list(cells.get(name))],
        meta={"source": {"line": line}},
    )


def _cell_answer(cells: dict[str, Any], name: str) -> Message | None:
    return answer(assistant(text_value(cells.get(name)))) if name else None
