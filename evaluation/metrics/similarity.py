"""How near an answer's meaning lies to the right one's, by a local encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import field_validator

from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param

Pair = tuple[str, str]


class Similarity(Metric):
    """Mean cosine between the answer's and the reference's (else the teacher's answer's) mean-pooled last hidden states in a local
    encoder, −1 to 1. A failed answer scores 0. Without a model there is no figure."""

    label = "Similarity of meaning"
    tasks = ("text",)
    unit = ""
    per_row = True

    class Params(BaseParams):
        """The encoder."""

        model: str = param(
            "", label="Model", help="folder:/path of an encoder in one of the operator's model folders.", max_length=500
        )

        @field_validator("model")
        @classmethod
        def is_a_folder(cls, ref: str) -> str:
            if ref and not ref.startswith("folder:"):
                raise ValueError("Write folder:/path of an encoder in one of the operator's model folders")
            return ref

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self.known: dict[Pair, float | None] = {}
        self.said: list[str] = []

    def pairs(self, items: Iterable[Item]) -> dict[Pair, None]:
        """The answers and targets whose cosine is wanted."""
        found: dict[Pair, None] = {}
        for item in items:
            target = target_of(item)
            if item.answer is not None and target is not None:
                found[item.answer, target] = None
        return found

    def learn(self, cosines: Mapping[Pair, float | None], *, told: Mapping[str, Any]) -> None:
        """Take what the encoder's process found; ``told``: its result."""
        self.known.update(cosines)
        if told.get("cut"):
            self.said = [
                f"{told['cut']:,} of {told['texts']:,} texts are longer than {told['model']} reads; their ends are not compared."
            ]

    def score(self, item: Item) -> float | None:
        """The cosine, 0.0 for a failed answer, None where nothing is known to compare with."""
        target = target_of(item)
        if not self.params.model or target is None:
            return None
        return 0.0 if item.answer is None else self.known.get((item.answer, target))

    def notes(self) -> list[str]:
        """Which texts were cut, or that there is no model."""
        return (
            self.said
            if self.params.model
            else ["“Similarity of meaning” has no figure: its setting “model” names no encoder."]
        )
