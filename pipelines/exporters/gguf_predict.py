"""Answers of a GGUF file through llama.cpp: ``python -m pipelines.exporters.gguf_predict CONFIG.json``.

The config and the output lines are those of :mod:`pipelines.recipes.predict`, with ``"gguf": file`` in place of
``base_model`` and ``adapter``. Prompts are written by the chat template inside the file and split by its own tokenizer, so
what is compared with the adapter is all of the file, not its weights alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.recipes.events import Events, RecipeError, run_main

UNKNOWN_GPU = "llama.cpp answered on a GPU, whose energy is not read here"


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """Answer the rows; returns the numbers of :func:`pipelines.recipes.answering.run_job`."""
    from pipelines.exporters import llama
    from pipelines.recipes.answer_tasks import Job
    from pipelines.recipes.answering import run_job
    from pipelines.recipes.energy import Meter, open_meter

    job = Job.from_config(config)
    path = Path(config["gguf"])
    if not path.is_file():
        raise RecipeError(f"There is no file {path.name}.", action="Export it first.", code="bad_gguf")
    events.progress(0, None, unit="rows", note=f"Opening {path.name}")
    model = llama.Model(path)
    context = min(model.context, config.get("context") or model.context)

    def open_decoder(prefix: list[int]) -> llama.FileDecoder:
        room = max(2 * job.batch_tokens, context - len(prefix) if context <= 4 * job.batch_tokens else 0)
        return llama.FileDecoder(model, prefix, room=room, threads=config.get("threads"))

    # Which of the machine's GPUs llama.cpp chose is not known, and the processor's share alone would be a lie.
    meter = Meter([], [UNKNOWN_GPU]) if llama.on_gpu() else open_meter(gpu=False)
    return run_job(job, events, FileSpeller(model), context=context, open_decoder=open_decoder, energy=meter)


class FileSpeller:
    """A GGUF file's tokenizer and chat template as :class:`pipelines.recipes.decoding.Speller`."""

    def __init__(self, model: Any) -> None:
        from pipelines.exporters.llama import FileTokenizer
        from pipelines.recipes.chat import Chat

        self.tokenizer = FileTokenizer(model)
        self.chat = Chat(self.tokenizer, eos_ids=self.tokenizer.end_ids)
        self.stop_ids = self.chat.stop_ids
        self.encode_prompts = self.chat.encode_prompts
        self.encode_labels = self.chat.encode_labels
        self.encode_answers = self.chat.encode_answers

    def decode(self, ids: Sequence[int]) -> str:
        """Text of answer tokens, without special tokens."""
        return self.tokenizer.decode(ids)


if __name__ == "__main__":
    run_main(main)
