"""Results of a run of OpenAI's Evals: output items, each with the data item, the model's sample and the graders' results.

Shape: ``eval.run.output_item`` of OpenAI's API reference, one object a line or a page of them (``{"data": […]}``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.lib.params import param
from vault.readers.base import BadRow, Reader, RowError, TextParams
from vault.readers.messages import (
    answer,
    base_meta,
    message_list,
    parse_messages,
    require_prompt,
    storable,
    text_value,
    with_system,
    without_nulls,
)
from vault.readers.openai_facts import moment, usage_of
from vault.readers.records import Options, Record, records, rows_from
from vault.rows import Message, Row, assistant, prompt_id

REFERENCES = (
    "reference", "reference_answer", "ideal", "expected", "expected_output", "correct_label", "correct_answer", "ground_truth",
    "gold", "target", "label", "answer",
)  # fmt: skip
SAMPLE = 50


class OpenAIEvals(Reader):
    """One output item a record: the sample's input is the prompt, its output the completion; grades are kept and tagged."""

    label: ClassVar[str] = "OpenAI Evals results"
    description: ClassVar[str] = (
        "Output items of an Evals run: data item, the model's sample, and what the graders said."
    )

    class Params(TextParams):
        """How to take the items."""

        reference: str = param(
            "", label="Reference", help="The field of the data item with the gold answer. Empty: none."
        )
        keep: Literal["all", "passed", "failed"] = param(
            "all",
            label="Items to keep",
            help="all; only those that every grader passed; or only those that one failed.",
        )
        system_prompt: str = param(
            "", label="System prompt", help="Put before inputs that have none of their own.", widget="textarea"
        )

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for a record that is an output item."""
        if first is None:
            return False
        return first.get("object") == "eval.run.output_item" or {"datasource_item", "sample"} <= set(first)

    def columns(self, path: Path, params: Params) -> list[str]:
        """The fields of the first data items, of which one may be the reference."""
        found: dict[str, None] = {}
        for record in islice(records(path, Options(encoding=params.encoding)), SAMPLE):
            if isinstance(record, Record):
                found.update(dict.fromkeys(_data(record.value)))
        return list(found)

    def suggest(self, path: Path) -> dict[str, Any]:
        """The reference, when a field of the data item is called like one."""
        names = self.columns(path, self.Params())
        return {"reference": next((name for name in REFERENCES if name in names), "")}

    def problems(self, path: Path, params: Params) -> list[tuple[str, str]]:
        """A reference that no data item has."""
        names = self.columns(path, params)
        if params.reference and params.reference not in names:
            return [
                (
                    "reference",
                    f"No data item has a field '{params.reference[:80]}'. Fields: {', '.join(name[:80] for name in names[:40])}.",
                )
            ]
        return []

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`. ``meta["grades"]`` lists each grader's name, score and verdict; the tag is the verdict."""

        def make(value: dict[str, Any], line: int) -> list[Row]:
            passed = _passed(value)
            if params.keep != "all" and passed is not (params.keep == "passed"):
                return []
            return [_row(value, line, params, passed)]

        return rows_from(path, encoding=params.encoding, make=make)


def _data(value: dict[str, Any]) -> dict[str, Any]:
    """The data item; one of a custom source wraps its fields in ``item``."""
    data = value.get("datasource_item")
    if not isinstance(data, dict):
        return {}
    inner = data.get("item")
    return inner if isinstance(inner, dict) else data


def _passed(value: dict[str, Any]) -> bool | None:
    """The verdict on an item: its status, or what all graders said; None when nobody judged."""
    if value.get("status") in ("pass", "passed", "fail", "failed"):
        return str(value["status"]).startswith("pass")
    verdicts = [result.get("passed") for result in _results(value) if isinstance(result.get("passed"), bool)]
    return all(verdicts) if verdicts else None


def _results(value: dict[str, Any]) -> list[dict[str, Any]]:
    results = value.get("results")
    return [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []


def _row(value: dict[str, Any], line: int, params: OpenAIEvals.Params, passed: bool | None) -> Row:
    sample = value.get("sample")
    if not isinstance(sample, dict):
        raise BadRow("The item holds no sample: the run did not ask a model.", column="sample")
    data = _data(value)
    prompt = with_system(_prompt(sample, data), params.system_prompt)
    require_prompt(prompt, column="sample.input")
    meta = base_meta(data, line) | {"teacher": "openai"}
    grades = [{name: result.get(name) for name in ("name", "score", "passed")} for result in _results(value)]
    facts = {
        "model": sample.get("model"),
        "usage": usage_of(sample.get("usage")),
        "finish_reason": sample.get("finish_reason"),
        "at": moment(value.get("created_at")),
        "eval": {
            "eval_id": value.get("eval_id"),
            "run_id": value.get("run_id"),
            "item": value.get("datasource_item_id"),
        },
        "grades": grades,
        "data": data,
        "error": _error(sample),
    }
    for name, found in without_nulls(facts).items():
        if found not in ({}, [], ""):
            meta[name] = storable(found, column=name)
    gold = text_value(data.get(params.reference)) if params.reference else ""
    return Row(
        id=text_value(value.get("id")).strip() or prompt_id(prompt),
        prompt=prompt,
        completion=_completion(sample),
        reference=answer(assistant(gold)),
        tags=[] if passed is None else ["passed" if passed else "failed"],
        meta=meta,
    )


def _prompt(sample: dict[str, Any], data: dict[str, Any]) -> list[Message]:
    """The sample's input, or that of the data item when the run kept none."""
    asked = sample.get("input") or data.get("input") or data.get("messages")
    if isinstance(asked, str) and asked.strip() and not asked.lstrip().startswith("["):
        return [{"role": "user", "content": asked}]
    return parse_messages(asked, column="sample.input")


def _completion(sample: dict[str, Any]) -> Message | None:
    """The last assistant message of the sample's output; None when the model failed."""
    output = sample.get("output")
    if not output:
        return None
    items = [
        {"role": "assistant", "content": "", **without_nulls(item)} if isinstance(item, dict) else item
        for item in message_list(output, "sample.output")
    ]
    said = [message for message in parse_messages(items, column="sample.output") if message["role"] == "assistant"]
    return answer(said[-1]) if said else None


def _error(sample: dict[str, Any]) -> str:
    error = sample.get("error")
    return text_value(error.get("message") or error.get("code")) if isinstance(error, dict) else ""
