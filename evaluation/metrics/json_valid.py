"""How often an answer is JSON that a program can read."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from pydantic import model_validator

from evaluation.metrics.base import Item, Metric
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.quality.json_check import Checker, Unusable, parse, read_schema, unfenced


class JsonValid(Metric):
    """Share of answers that are strict JSON and, where a JSON Schema is given, fit it. Nothing is compared with the reference."""

    label = "Valid JSON"
    tasks = ("text",)
    binary = True

    class Params(BaseParams):
        """What counts as valid."""

        json_schema: str = param(
            "", label="JSON Schema", help="As text. Empty: any JSON will do.", widget="textarea", max_length=200_000
        )
        formats: bool = param(True, label="Check formats", help="date, email, uuid… in the schema are checked too.")
        strip_fences: bool = param(
            False, label="Read inside code fences", help="``` marks around the answer don't count."
        )

        @model_validator(mode="after")
        def is_a_schema(self) -> Self:
            read_schema(self.json_schema)
            return self

    @cached_property
    def checker(self) -> Checker:
        """The schema, read once."""
        return Checker(self.params.json_schema, formats=self.params.formats)

    problem: str = ""
    """Why the schema could not be followed."""

    def score(self, item: Item) -> float | None:
        """1.0 for valid JSON, 0.0 otherwise and for a failed answer, None where the schema itself can't be followed."""
        if item.answer is None:
            return 0.0
        try:
            value = parse(unfenced(item.answer) if self.params.strip_fences else item.answer)
        except Unusable:
            return 0.0
        try:
            return float(not self.checker.faults(value))
        except StepError as error:
            # Hours of answers are not thrown away for a $ref that leads nowhere.
            self.problem = str(error)
            return None

    def notes(self) -> list[str]:
        """What is wrong with the schema."""
        return (
            [f"{self.label}: answers that reach a faulty part of the schema are left out. {self.problem}"]
            if self.problem
            else []
        )
