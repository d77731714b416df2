"""Names of persons in every row, by a spaCy pipeline: ``python -m pipelines.recipes.find_names CONFIG.json``.

Config: ``{"rows": dataset folder, "out": file, "model": name of an installed pipeline, "total": rows}``. The file gets one
JSON list a row, in order: the different names found in its texts. A child of its own, since spaCy may load torch.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipelines.recipes.events import Events, RecipeError, run_main
from studio.lib.extras import install_command
from vault.rows import Row, read_rows

PERSONS = frozenset({"PERSON", "PER", "persName", "PRS"})
"""What spaCy's pipelines of different languages call a person."""
LONGEST_TEXT = 100_000
"""Characters of a text that are looked at in one piece (spaCy's own limit is a million, at a gigabyte of memory)."""
BATCH = 64


def load_pipeline(name: str) -> Any:
    """The named pipeline. Raises :class:`RecipeError` with the command to run where it or spaCy is missing."""
    if importlib.util.find_spec("spacy") is None:
        raise RecipeError(
            "Names of persons are found by spaCy, which is not installed on this worker.",
            action=f"Run: {install_command('names')} and then: "
            f".venv/bin/python -m spacy download {name}. Or turn off “Names of persons”.",
            code="missing_package",
        )
    import spacy

    try:
        pipeline = spacy.load(name, exclude=["parser", "lemmatizer", "attribute_ruler"])
    except OSError:
        raise RecipeError(
            f"The spaCy pipeline {name} is not installed on this worker.",
            action=f"Run: python -m spacy download {name}. Or name an installed one, or turn off “Names of persons”.",
            code="missing_package",
        ) from None
    if not {"ner", "entity_ruler"} & set(pipeline.pipe_names):
        raise RecipeError(
            f"The spaCy pipeline {name} marks no names.",
            action="Choose a pipeline with the component 'ner', such as en_core_web_sm.",
            code="bad_model",
        )
    return pipeline


def pieces(rows: Iterable[Row]) -> Iterator[tuple[str, int]]:
    """``(text, position of its row)`` of all messages, cut at ``LONGEST_TEXT``."""
    for position, row in enumerate(rows):
        messages = [*row.prompt, row.completion, row.reference]
        for message in messages:
            text = (message or {}).get("content") or ""
            for start in range(0, len(text), LONGEST_TEXT):
                yield text[start : start + LONGEST_TEXT], position


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """The child: names of every row."""
    pipeline = load_pipeline(config["model"])
    total, at, found = int(config["total"]), 0, 0
    names: set[str] = set()
    with Path(config["out"]).open("w", encoding="utf-8") as out:
        for doc, position in pipeline.pipe(pieces(read_rows(Path(config["rows"]))), as_tuples=True, batch_size=BATCH):
            while at < position:
                out.write(json.dumps(sorted(names), ensure_ascii=False) + "\n")
                names, at = set(), at + 1
                events.progress(at, total, unit="rows", note="looking for names")
            people = {entity.text.strip() for entity in doc.ents if entity.label_ in PERSONS}
            names |= {name for name in people if len(name) > 1}
            found += len(people)
        while at < total:
            out.write(json.dumps(sorted(names), ensure_ascii=False) + "\n")
            names, at = set(), at + 1
    return {"rows": total, "names": found}


if __name__ == "__main__":
    run_main(main)
