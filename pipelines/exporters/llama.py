"""llama.cpp through its low-level API: opening a file, its tokenizer as Transformers' looks, and a decoder.

The shared prefix is decoded once as sequence 0; copying its cells to a row's sequence copies no data. Many rows are
decoded in one batch, and a closed answer is tried on a borrowed sequence that is given back at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from pipelines.recipes.decoding import Branch, NoRoom
from pipelines.recipes.events import RecipeError

BATCH = 1024
"""Tokens handed to llama.cpp at once."""
WAVE = 1024
"""Most tokens of borrowed sequences at a time."""
ROWS = 128


class Log:
    """What llama.cpp says, in lines; kept instead of printed."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def lines(self) -> list[str]:
        """Everything said so far, line by line (llama.cpp writes lines in pieces)."""
        return "".join(self.text).splitlines()

    def errors(self) -> str:
        """The last lines, for a message when something failed."""
        return " ".join(line.strip() for line in self.lines()[-3:])[:300]


def on_gpu() -> bool:
    """Whether this llama.cpp was built to run on a GPU."""
    return bool(llama_cpp.llama_supports_gpu_offload())


@contextmanager
def captured_log() -> Iterator[Log]:
    """Collect llama.cpp's log instead of printing it."""
    log = Log()

    @llama_cpp.llama_log_callback
    def keep(level: int, text: bytes, _: Any) -> None:
        log.text.append(text.decode("utf-8", "replace"))

    llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
    try:
        yield log
    finally:
        from llama_cpp import _logger

        llama_cpp.llama_log_set(_logger.llama_log_callback, ctypes.c_void_p(0))


class Model:
    """An opened GGUF file. ``gpu``: put all layers on the GPU when llama.cpp was built with one."""

    def __init__(self, path: Path, *, vocab_only: bool = False, gpu: bool = True) -> None:
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = -1 if gpu else 0
        with captured_log() as log:
            self.pointer = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self.pointer:
            raise RecipeError(
                f"llama.cpp could not open {path.name}: {log.errors()}",
                action="Export it again; if it still fails, the base model's architecture is not one llama.cpp runs.",
                code="bad_gguf",
            )
        self.vocab = llama_cpp.llama_model_get_vocab(self.pointer)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.context = llama_cpp.llama_model_n_ctx_train(self.pointer)

    def metadata(self, key: str) -> str | None:
        """One metadata value as text."""
        length = llama_cpp.llama_model_meta_val_str(self.pointer, key.encode(), None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        llama_cpp.llama_model_meta_val_str(self.pointer, key.encode(), buffer, length + 1)
        return buffer.value.decode("utf-8")

    @property
    def chat_template(self) -> str | None:
        """The chat template inside the file."""
        text = llama_cpp.llama_model_chat_template(self.pointer, None)
        return text.decode("utf-8") if text else None

    def close(self) -> None:
        """Give the memory back."""
        if self.pointer:
            llama_cpp.llama_model_free(self.pointer)
            self.pointer = None


class FileTokenizer:
    """The tokenizer and chat template inside a GGUF file, with the few methods of a Transformers tokenizer that
    :class:`pipelines.recipes.chat.Chat` uses: the file is spoken to as every llama.cpp program would."""

    def __init__(self, model: Model) -> None:
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        self.vocab = model.vocab
        self.chat_template = model.chat_template
        eos, bos = llama_cpp.llama_vocab_eos(self.vocab), llama_cpp.llama_vocab_bos(self.vocab)
        self.eos_token_id = eos if eos >= 0 else None
        tokens = range(model.size)
        self.end_ids = [t for t in tokens if llama_cpp.llama_vocab_is_eog(self.vocab, t)]
        self.all_special_ids = [t for t in tokens if llama_cpp.llama_vocab_is_control(self.vocab, t)]
        self.added_tokens_decoder: dict[int, Any] = {}
        words = {"eos_token": self._piece(eos), "bos_token": self._piece(bos)}
        options: dict[str, Any] = {"template": self.chat_template or "", **words}
        self._with_turn = Jinja2ChatFormatter(**options, add_generation_prompt=True)
        self._without_turn = Jinja2ChatFormatter(**options, add_generation_prompt=False)

    def _piece(self, token: int) -> str:
        return llama_cpp.llama_vocab_get_text(self.vocab, token).decode("utf-8", "replace") if token >= 0 else ""

    def apply_chat_template(self, messages: list[Any], *, tokenize: bool, add_generation_prompt: bool) -> str:
        """The chat as text, by the file's own template."""
        from jinja2 import TemplateError

        try:
            return (self._with_turn if add_generation_prompt else self._without_turn)(messages=messages).prompt
        except ValueError as problem:  # raise_exception() in the template
            raise TemplateError(str(problem)) from problem

    def __call__(self, texts: Sequence[str], **_: Any) -> dict[str, list[list[int]]]:
        """Token ids of each text; special tokens in the text are recognised, none are added."""
        return {"input_ids": [self.encode(text) for text in texts]}

    def encode(self, text: str) -> list[int]:
        """Token ids of one text."""
        data = text.encode("utf-8")
        room = len(data) + 8
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), buffer, room, False, True)
        return list(buffer[:count])

    def decode(self, ids: Sequence[int]) -> str:
        """Text of tokens, without special ones."""
        if not ids:
            return ""
        tokens = (llama_cpp.llama_token * len(ids))(*ids)
        room = 64 * len(ids) + 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = llama_cpp.llama_detokenize(self.vocab, tokens, len(ids), buffer, room, False, False)
            if count >= 0:
                return buffer.raw[:count].decode("utf-8", "replace")
            room = -count


class FileScores:
    """Next-token distributions from llama.cpp's logits, ``(positions, vocabulary)`` in fp32."""

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits
        self._totals: dict[int, float] = {}

    def best(self) -> list[int]:
        """The most probable token of each position."""
        return self.logits.argmax(-1).tolist()

    def logprobs(self, positions: Sequence[int], tokens: Sequence[int]) -> list[float]:
        """Natural log-probability of ``tokens[i]`` at ``positions[i]``."""
        return [float(self.logits[p, t]) - self._total(p) for p, t in zip(positions, tokens, strict=True)]

    def _total(self, position: int) -> float:
        if position not in self._totals:
            row = self.logits[position].astype(np.float64)
            top = row.max()
            self._totals[position] = float(top + np.log(np.exp(row - top).sum()))
        return self._totals[position]


class FileDecoder:
    """See the module. ``room``: cache cells beside the prefix. Every ``(sequence, position, token)`` is a batch entry."""

    max_rows = ROWS

    def __init__(self, model: Model, prefix: Sequence[int], *, room: int, threads: int | None) -> None:
        self.model, self.prefix = model, len(prefix)
        self.sequences = min(2 * ROWS, llama_cpp.llama_max_parallel_sequences())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self.prefix + room + WAVE
        params.n_batch = BATCH
        params.n_ubatch = BATCH // 2
        params.n_seq_max = self.sequences
        params.kv_unified = True
        params.no_perf = True
        if threads:
            params.n_threads = params.n_threads_batch = threads
        with captured_log() as log:
            self.context = llama_cpp.llama_init_from_model(model.pointer, params)
        if not self.context:
            raise RecipeError(
                f"llama.cpp could not make room for {params.n_ctx:,} tokens: {log.errors()}",
                action="Lower the batch size (batch_tokens) or use a smaller base model.",
                code="out_of_memory",
            )
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.batch = llama_cpp.llama_batch_init(BATCH, 0, 1)
        self.ends: list[int] = []
        self.heads: list[int] = []
        self._decode([(0, at, token) for at, token in enumerate(prefix)], set())

    def start(self, prompts: Sequence[Sequence[int]]) -> FileScores:
        """Forget the previous rows and read these prompts' tokens after the prefix."""
        for sequence in range(1, self.sequences):
            llama_cpp.llama_memory_seq_rm(self.memory, sequence, -1, -1)
        entries, wanted = [], set()
        for row, prompt in enumerate(prompts):
            llama_cpp.llama_memory_seq_cp(self.memory, 0, row + 1, -1, -1)
            entries += [(row + 1, self.prefix + at, token) for at, token in enumerate(prompt)]
            wanted.add(len(entries) - 1)
        self.ends = [self.prefix + len(prompt) for prompt in prompts]
        self.heads = list(self.ends)
        return FileScores(self._decode(entries, wanted))

    def step(self, rows: Sequence[int], tokens: Sequence[int]) -> FileScores:
        """Append ``tokens[i]`` to row ``rows[i]``."""
        entries = [(row + 1, self.heads[row], token) for row, token in zip(rows, tokens, strict=True)]
        logits = self._decode(entries, set(range(len(entries))))
        for row in rows:
            self.heads[row] += 1
        return FileScores(logits)

    def branch(self, branches: Sequence[Branch]) -> FileScores:
        """Score chains from the prompts' ends, each on a borrowed sequence, as many at a time as there are."""
        free = list(range(len(self.ends) + 1, self.sequences))
        out, at = [], 0
        while at < len(branches):
            entries: list[tuple[int, int, int]] = []
            wanted: set[int] = set()
            used: list[int] = []
            while at < len(branches) and len(used) < len(free):
                b = branches[at]
                if entries and len(entries) + len(b.path) + len(b.chain) > WAVE:
                    break
                sequence, end = free[len(used)], self.ends[b.row]
                llama_cpp.llama_memory_seq_cp(self.memory, b.row + 1, sequence, 0, end)
                entries += [(sequence, end + i, token) for i, token in enumerate((*b.path, *b.chain))]
                wanted.update(range(len(entries) - len(b.chain), len(entries)))
                used.append(sequence)
                at += 1
            out.append(self._decode(entries, wanted))
            for sequence in used:
                llama_cpp.llama_memory_seq_rm(self.memory, sequence, -1, -1)
        return FileScores(np.concatenate(out))

    def _decode(self, entries: list[tuple[int, int, int]], wanted: set[int]) -> np.ndarray:
        """Read ``(sequence, position, token)`` entries; logits of the ``wanted`` ones, in order, ``(wanted, vocabulary)``."""
        out = np.empty((len(wanted), self.model.size), dtype=np.float32)
        filled = 0
        for first in range(0, len(entries), BATCH):
            part = entries[first : first + BATCH]
            asked = []
            for i, (sequence, position, token) in enumerate(part):
                self.batch.token[i], self.batch.pos[i] = token, position
                self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence
                self.batch.logits[i] = first + i in wanted
                if first + i in wanted:
                    asked.append(i)
            self.batch.n_tokens = len(part)
            status = llama_cpp.llama_decode(self.context, self.batch)
            if status == 1:
                raise NoRoom
            if status != 0:
                raise RecipeError(
                    f"llama.cpp failed to decode a batch of {len(part)} tokens (status {status}).",
                    action="Try again with a smaller batch (batch_tokens).",
                    code="failed",
                )
            for i in asked:
                row = llama_cpp.llama_get_logits_ith(self.context, i)
                out[filled] = np.ctypeslib.as_array(row, shape=(self.model.size,))
                filled += 1
        return out

    def close(self) -> None:
        """Give the cache back."""
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)
