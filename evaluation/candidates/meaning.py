"""Asking a local encoder how near answers lie to what they are compared with, in a child process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.candidates.predictions import Candidate
from evaluation.figures.scoring import channels_of, judge
from evaluation.metrics.base import Metric
from evaluation.metrics.similarity import Pair, Similarity
from pipelines.steps.base import Context
from vault.rows import Row

EMBED = "pipelines.recipes.embed"


def learn_meanings(
    ctx: Context, metrics: Mapping[str, Metric], rows: Sequence[Row], candidates: Sequence[Candidate], params: Any
) -> dict[str, str]:
    """Let every similarity metric learn the cosines it needs, each distinct pair once. Returns facts for the report.

    Raises ``StepError`` when the encoder can't be used.
    """
    from django.conf import settings

    facts: dict[str, str] = {}
    for metric in metrics.values():
        if not isinstance(metric, Similarity) or not metric.params.model:
            continue
        pairs: dict[Pair, None] = {}
        for candidate in candidates:
            for channel in channels_of(candidate):
                pairs |= metric.pairs(judge(candidate, rows, channel=channel).items)
        asked, out = ctx.scratch / "meaning.pairs.jsonl", ctx.scratch / "meaning.jsonl"
        asked.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
        ctx.log(f"{metric.label}: {len(pairs):,} different pairs of texts.")
        config = {
            "ref": metric.params.model,
            "allowed_dirs": [str(folder) for folder in settings.MODEL_DIRS],
            "pairs": str(asked),
            "out": str(out),
            "batch_tokens": params.batch_tokens,
            "threads": params.threads,
        }
        told = ctx.run_child(EMBED, config)
        cosines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        metric.learn(dict(zip(pairs, cosines, strict=True)), told=told)
        facts["Encoder"] = f"{told['model']} {told['revision']}"
    return facts
