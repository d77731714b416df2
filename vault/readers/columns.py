"""Tables of any kind that the user maps: which of their columns make the prompt, the answers, the id, the tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.lib.params import param
from studio.lib.registry import close_matches
from vault.exporters.csv_table import COLUMNS, Csv, unguard
from vault.readers.base import BadRow, Reader, ReaderError, RowError, TextParams
from vault.readers.messages import answer, from_text, parse_messages, require_prompt, tag_list, text_value, with_system
from vault.readers.records import Options, column_names, rows_from
from vault.rows import Message, Row, assistant, prompt_id

PLAIN = re.compile(r"[^{}\n]{1,200}")
"""A column's name that a template can ask for."""
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}\n]+)\}")

GUESSES = {
    "prompt": ("prompt", "text", "question", "input", "instruction", "query", "utterance", "message", "description"),
    "completion": ("completion", "answer", "output", "response", "teacher", "prediction"),
    "reference": ("reference", "gold", "label", "category", "intent", "target", "class"),
    "id": ("id", "uuid", "row_id", "key"),
    "system_column": ("system", "system_prompt"),
}


class Columns(Reader):
    """A table with columns of any name: CSV, TSV, XLSX, JSON, Parquet, Arrow. The prompt is a template with ``{column}``."""

    label: ClassVar[str] = "Columns"
    description: ClassVar[str] = "CSV, TSV, XLSX, JSON, Parquet or Arrow with columns that you map."

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
        system_column: str = param(
            "", label="System prompt of each row", help="The column with it. Rows where it is blank get the one above."
        )
        completion: str = param("", label="Teacher's answer", help="The column to learn from. Empty: none yet.")
        reference: str = param("", label="Reference", help="The column with the gold answer. Empty: none.")
        id: str = param("", label="Id", help="The column that names each row. Empty: made from the prompt.")
        tags: list[str] = param(list, label="Tags", help="Columns whose values become tags, one a line.")
        messages: str = param(
            "",
            label="Conversation",
            help="The column with the whole prompt as chat messages (a list, perhaps as JSON text). Where it is filled it "
            "stands for the prompt and the system prompts above.",
            advanced=True,
        )
        delimiter: Literal["auto", "comma", "tab", "semicolon", "bar"] = param(
            "auto", label="Delimiter", help="What separates the columns of a CSV file.", advanced=True
        )
        header: bool = param(True, label="The first line names the columns", advanced=True)
        guarded: bool = param(
            False,
            label="Cells are guarded against formulas",
            help="The file was downloaded from a Studio as CSV: an apostrophe before = + - @ is taken away again.",
            advanced=True,
        )
        sheet: str = param("", label="Sheet", help="Of a spreadsheet, by its name. Empty: the first.", advanced=True)

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for everything: this is the reader of last resort."""
        return True

    def columns(self, path: Path, params: Params) -> list[str]:
        """The table's column names: the header's, or the keys of the first 200 objects."""
        return column_names(path, _options(params))

    def suggest(self, path: Path) -> dict[str, Any]:
        """A mapping guessed from the columns' names."""
        names = self.columns(path, self.Params())
        if tuple(names) == COLUMNS:
            return dict(Csv.reader_params)
        names = [name for name in names if PLAIN.fullmatch(name)]
        lowered = {name.strip().lower(): name for name in reversed(names)}
        guess = {
            field: next((lowered[word] for word in words if word in lowered), "") for field, words in GUESSES.items()
        }
        if not guess["prompt"]:
            taken = {guess["completion"], guess["reference"], guess["id"]}
            guess["prompt"] = next((name for name in names if name not in taken), "")
        guess["prompt"] = "{" + guess["prompt"] + "}" if guess["prompt"] else ""
        if {"instruction", "input"} <= set(lowered):
            guess["prompt"] = "{" + lowered["instruction"] + "}\n\n{" + lowered["input"] + "}"
        return dict(guess)

    def problems(self, path: Path, params: Params) -> list[tuple[str, str]]:
        """Names in the mapping that are no column of this file."""
        names = self.columns(path, params)
        found = []
        wanted = placeholders(params.prompt)
        if not wanted and not params.messages:
            text = "The prompt needs at least one {column}, or every row would ask the same."
            found.append(("prompt", f"{text} Columns: {', '.join(_short(names))}."))
        for field, chosen in (
            ("prompt", wanted),
            ("completion", [params.completion]),
            ("reference", [params.reference]),
            ("id", [params.id]),
            ("system_column", [params.system_column]),
            ("messages", [params.messages]),
            ("tags", params.tags),
        ):
            for name in chosen:
                if name and name not in names:
                    found.append(
                        (field, f"There is no column '{name[:80]}'. {close_matches(name[:80], _short(names))}")
                    )
        return found

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`. Raises :class:`ReaderError` when the mapping does not fit the file."""
        wrong = self.problems(path, params)
        if wrong:
            raise ReaderError(
                " ".join(message for _, message in wrong), action="Choose the columns again in the mapping."
            )

        def make(cells: dict[str, Any], line: int) -> list[Row]:
            if params.guarded:
                cells = {name: unguard(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}
            return [make_row(cells, params, line=line)]

        yield from rows_from(path, encoding=params.encoding, make=make, options=_options(params))


def _short(names: list[str]) -> list[str]:
    """Names for a message: the first forty, none of them longer than a line."""
    return [name[:80] for name in names[:40]]


def _options(params: Columns.Params) -> Options:
    return Options(params.encoding, params.delimiter, params.header, params.sheet)


def placeholders(template: str) -> list[str]:
    """The column names a template asks for."""
    return list(_asked(template))


@lru_cache(maxsize=64)
def _asked(template: str) -> tuple[str, ...]:
    """Remembered, because every row of a file asks."""
    return tuple(m.group(1) for m in PLACEHOLDER.finditer(template) if m.group(1) is not None)


def render(template: str, cells: dict[str, Any]) -> str:
    """The template with each ``{column}`` replaced by its value, ``{{`` and ``}}`` by braces.

    Where the last column is empty, the white space before it goes too: ``{instruction}`` and a blank line before ``{input}``.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return match.group(0)[0] if name is None else text_value(cells.get(name))

    text = PLACEHOLDER.sub(value, template)
    wanted = placeholders(template)
    ends_empty = len(wanted) > 1 and template.endswith("{" + wanted[-1] + "}") and not text_value(cells.get(wanted[-1]))
    return text.rstrip() if ends_empty else text


def make_row(cells: dict[str, Any], params: Columns.Params, *, line: int) -> Row:
    """One record as a row; raises :class:`BadRow` when every column of its prompt is empty."""
    prompt, said = _prompt(cells, params)
    return Row(
        id=(text_value(cells.get(params.id)).strip() if params.id else "") or prompt_id(prompt),
        prompt=prompt,
        completion=_cell_answer(cells, params.completion) if params.completion else said,
        reference=_cell_answer(cells, params.reference),
        tags=list(dict.fromkeys(tag for name in params.tags for tag in _cell_tags(cells.get(name)))),
        meta={"source": {"line": line}},
    )


def _prompt(cells: dict[str, Any], params: Columns.Params) -> tuple[list[Message], Message | None]:
    """The prompt's messages and, when they come as a conversation that ends with an answer, that answer."""
    if params.messages and cells.get(params.messages) not in (None, "", []):
        messages = parse_messages(cells[params.messages], column=params.messages)
        said = messages.pop() if messages[-1]["role"] == "assistant" and not params.completion else None
        require_prompt(messages, column=params.messages)
        return messages, answer(said)
    wanted = placeholders(params.prompt)
    if not any(text_value(cells.get(name)).strip() for name in wanted):
        empty = "is empty" if len(wanted) == 1 else "are all empty"
        named = ", ".join(wanted) or params.messages
        raise BadRow(f"There is no prompt: {named} {empty if wanted else 'is empty'}.", column=(wanted or [named])[0])
    user: Message = {"role": "user", "content": render(params.prompt, cells)}
    own = text_value(cells.get(params.system_column)) if params.system_column else ""
    return with_system([user], own if own.strip() else params.system_prompt), None


def _cell_tags(value: Any) -> list[str]:
    """One tag, or several as a list, perhaps as JSON text."""
    parsed = from_text(value) if isinstance(value, str) else value
    return tag_list(parsed if isinstance(parsed, list) else value)


def _cell_answer(cells: dict[str, Any], name: str) -> Message | None:
    return answer(assistant(text_value(cells.get(name)))) if name else None
