"""``transformers.Trainer`` with prefix-tree batches: the loss is the mean over all supervised tokens of a step."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pipelines.recipes.batches import Packed, SharingShuffle, pack
from pipelines.recipes.edge_loss import Edges, edge_loss, head_of
from pipelines.recipes.events import Events, RecipeError
from pipelines.recipes.prefix_tree import Sequence
from pipelines.recipes.tree_attention import hidden_states, tree_attention


class Done(NamedTuple):
    """What this attempt has computed; tokens as the rows have them, before sharing."""

    rows: int
    tokens: int


class TreeTrainer(Trainer):
    """Learns token sequences. A step's rows are computed in as few passes as ``budget`` tokens allow.

    ``share``: pack by common prefixes, or pad (for models that cannot share). The gradient of a step is that of the mean
    cross-entropy over all its supervised tokens, however many passes it took. One process.
    """

    def __init__(self, *, model: Any, args: TrainingArguments, train: list[Sequence], **options: Any) -> None:
        self.budget: int = options.pop("budget")
        self.share: bool = options.pop("share")
        self.done = Done(rows=0, tokens=0)
        super().__init__(model=model, args=args, train_dataset=train, data_collator=self.collate, **options)
        self.causal = model.get_base_model()
        self.head = head_of(self.causal)
        self.head_frozen = not any(p.requires_grad for p in self.causal.get_output_embeddings().parameters())

    def collate(self, sequences: list[Sequence]) -> dict[str, Any]:
        """The passes of one step."""
        return {"passes": pack(sequences, budget=self.budget, share=self.share)}

    def _get_train_sampler(self, train_dataset: Any = None) -> SharingShuffle:
        return SharingShuffle(self.train_dataset, seed=self.args.seed)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward of all passes of one step; returns their mean loss."""
        model.train()
        passes: list[Packed] = inputs["passes"]
        total = sum(float(p.edges.weights.sum()) for p in passes)
        loss = torch.zeros((), device=self.args.device)
        for packed in passes:
            part = self.pass_loss(packed) / total
            self.accelerator.backward(part)
            loss += part.detach()
            self.done = Done(self.done.rows + packed.rows, self.done.tokens + packed.tokens)
        if not torch.isfinite(loss):
            raise RecipeError(
                f"The loss became {float(loss)} at step {self.state.global_step + 1}: the training has diverged.",
                action=f"Lower the learning rate (now {self.args.learning_rate:g}), to a third for a start.",
                code="diverged",
            )
        return loss

    def pass_loss(self, packed: Packed) -> torch.Tensor:
        """Sum over a pass's edges of weight × cross-entropy."""
        device = self.args.device
        edges = Edges(*(t.to(device) for t in packed.edges))
        if packed.tree is not None:
            hidden = hidden_states(self.causal, packed.tree.to(device))
        else:
            assert packed.padded is not None
            ids, mask = (t.to(device) for t in packed.padded)
            out = self.causal.base_model(input_ids=ids, attention_mask=mask, use_cache=False)
            hidden = out.last_hidden_state.flatten(0, 1)
        return edge_loss(hidden, edges, self.head, frozen=self.head_frozen)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As the base class, with the model's attention switched to the tree's when sharing."""
        with tree_attention(self.causal) if self.share else nullcontext():
            return super().train(*args, **kwargs)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Mean cross-entropy over all supervised tokens of the validation rows."""
        self.model.eval()
        sequences = self.eval_dataset if eval_dataset is None else eval_dataset
        total = weight = 0.0
        with tree_attention(self.causal) if self.share else nullcontext():
            for packed in pack(sequences, budget=self.budget, share=self.share):
                total += float(self.pass_loss(packed))
                weight += float(packed.edges.weights.sum())
        metrics = {f"{metric_key_prefix}_loss": total / weight}
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


SAVE_SECONDS = 120
"""A checkpoint at least so often: on a slow machine fifty steps are many minutes, and a kill would lose them."""


class Clock:
    """Seconds of a training over all its attempts, kept in a file whenever a checkpoint is."""

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self.path = path
        self.before = float(path.read_text()) if resumed and path.exists() else 0.0
        self.started = time.monotonic()

    def seconds(self) -> float:
        """So far; what was lost in a kill does not count."""
        return self.before + time.monotonic() - self.started

    def save(self) -> None:
        """Write the seconds so far."""
        self.path.write_text(f"{self.seconds():.1f}")


class Reporter(TrainerCallback):
    """Turns the Trainer's log into events: progress in rows, live curves with rates."""

    def __init__(self, events: Events, *, rows: int, rows_per_step: int, clock: Clock) -> None:
        self.events, self.rows, self.rows_per_step, self.clock = events, rows, rows_per_step, clock
        self.trainer: TreeTrainer | None = None
        self.history: list[dict[str, float]] = []
        self._mark = (time.monotonic(), Done(0, 0))
        self._saved = time.monotonic()
        self._note = ""

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._mark = (time.monotonic(), self._computed())
        self.history = [entry for entry in state.log_history if "loss" in entry or "eval_loss" in entry]
        self.events.progress(self._done(state), self._total(state), unit="rows")

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.events.progress(self._done(state), self._total(state), unit="rows", note=self._note)
        if time.monotonic() - self._saved > SAVE_SECONDS:
            control.should_save = True

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._saved = time.monotonic()
        self.clock.save()

    def on_log(self, args: Any, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any) -> None:
        step = state.global_step
        kept = {k: float(logs[k]) for k in ("loss", "eval_loss", "learning_rate", "grad_norm") if k in (logs or {})}
        if "loss" not in kept and "eval_loss" not in kept:
            return
        if "loss" in kept:
            kept |= self._rates()
        for name, value in kept.items():
            self.events.metric(name, value, at=step)
        self.history.append({**kept, "step": step})

    def recent_loss(self) -> float:
        """Mean of the last tenth of the logged losses (the Trainer's own mean forgets what was before a resume)."""
        losses = [entry["loss"] for entry in self.history if "loss" in entry]
        last = losses[-max(1, len(losses) // 10) :]
        return sum(last) / len(last)

    def _rates(self) -> dict[str, float]:
        (then, before), now, done = self._mark, time.monotonic(), self._computed()
        self._mark = (now, done)
        elapsed = now - then
        if done.rows <= before.rows or elapsed <= 0:
            return {}
        rows, tokens = (done.rows - before.rows) / elapsed, (done.tokens - before.tokens) / elapsed
        self._note = f"{tokens:,.0f} tokens/s"
        return {"rows_per_second": rows, "tokens_per_second": tokens}

    def _computed(self) -> Done:
        return self.trainer.done if self.trainer else Done(0, 0)

    def _done(self, state: TrainerState) -> int:
        return min(round(state.epoch * self.rows) if state.epoch else 0, self._total(state))

    def _total(self, state: TrainerState) -> int:
        per_epoch = -(-self.rows // self.rows_per_step)
        return max(1, round(self.rows * state.max_steps / per_epoch))
