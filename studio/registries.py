"""The five tables of variants, and what can be commented on. One variant = one file + one line here."""

from __future__ import annotations

from studio.lib.registry import Registry

READERS = Registry(
    "reader",
    {
        "openai_completions": "vault.readers.openai_completions:OpenAICompletions",
        "openai_evals": "vault.readers.openai_evals:OpenAIEvals",
        "preference": "vault.readers.preference:Preference",
        "openai_chat": "vault.readers.openai_chat:OpenAIChat",
        "sharegpt": "vault.readers.sharegpt:ShareGPT",
        "alpaca": "vault.readers.alpaca:Alpaca",
        "prompt_completion": "vault.readers.prompt_completion:PromptCompletion",
        "columns": "vault.readers.columns:Columns",
    },
)

STEPS = Registry(
    "step",
    {
        "dataset": "pipelines.steps.dataset:Dataset",
        "join": "pipelines.steps.join:Join",
        "generate": "pipelines.steps.generate:Generate",
        "more_like_these": "pipelines.steps.more_like_these:MoreLikeThese",
        "dedupe_exact": "pipelines.steps.dedupe_exact:DedupeExact",
        "dedupe_near": "pipelines.steps.dedupe_near:DedupeNear",
        "filter_length": "pipelines.steps.filter_length:FilterLength",
        "filter_refusals": "pipelines.steps.filter_refusals:FilterRefusals",
        "filter_json": "pipelines.steps.filter_json:FilterJson",
        "filter_regex": "pipelines.steps.filter_regex:FilterRegex",
        "redact_pii": "pipelines.steps.redact_pii:RedactPii",
        "agreement": "pipelines.steps.agreement:Agreement",
        "judge": "pipelines.steps.judge:Judge",
        "balance": "pipelines.steps.balance:Balance",
        "sample": "pipelines.steps.sample:Sample",
        "allowed_labels": "pipelines.steps.allowed_labels:AllowedLabels",
        "split": "pipelines.steps.split:Split",
        "leakage_guard": "pipelines.steps.leakage_guard:LeakageGuard",
        "train": "pipelines.steps.train:Train",
        "ask_model": "evaluation.steps.ask_model:AskModel",
        "nearest_rows": "evaluation.steps.nearest_rows:NearestRows",
        "public_benchmarks": "evaluation.steps.public_benchmarks:PublicBenchmarks",
        "evaluate": "evaluation.steps.evaluate:Evaluate",
        "judge_answers": "evaluation.steps.judge_answers:JudgeAnswers",
        "review_gate": "evaluation.steps.review_gate:ReviewGate",
        "export_gguf": "pipelines.steps.export_gguf:ExportGguf",
    },
)

TEACHERS = Registry(
    "teacher",
    {
        "openai": "pipelines.teachers.openai:OpenAITeacher",
        "anthropic": "pipelines.teachers.anthropic:AnthropicTeacher",
        "openai_compatible": "pipelines.teachers.openai_compatible:OpenAICompatibleTeacher",
        "recorded": "pipelines.teachers.recorded:RecordedTeacher",
    },
)

METRICS = Registry(
    "metric",
    {
        "agreement": "evaluation.metrics.agreement:Agreement",
        "accuracy": "evaluation.metrics.accuracy:Accuracy",
        "macro_f1": "evaluation.metrics.macro_f1:MacroF1",
        "kappa": "evaluation.metrics.kappa:Kappa",
        "token_f1": "evaluation.metrics.token_f1:TokenF1",
        "chrf": "evaluation.metrics.chrf:Chrf",
        "exact_match": "evaluation.metrics.exact_match:ExactMatch",
        "weighted_f1": "evaluation.metrics.weighted_f1:WeightedF1",
        "json_valid": "evaluation.metrics.json_valid:JsonValid",
        "json_fields": "evaluation.metrics.json_fields:JsonFields",
        "tool_call": "evaluation.metrics.tool_call:ToolCall",
        "numeric": "evaluation.metrics.numeric:Numeric",
        "contains": "evaluation.metrics.contains:Contains",
        "regex": "evaluation.metrics.regex:Regex",
        "rouge_l": "evaluation.metrics.rouge_l:RougeL",
        "bleu": "evaluation.metrics.bleu:Bleu",
        "length": "evaluation.metrics.length:Length",
        "refusal_rate": "evaluation.metrics.refusal_rate:RefusalRate",
        "nll": "evaluation.metrics.nll:Nll",
        "perplexity": "evaluation.metrics.perplexity:Perplexity",
        "similarity": "evaluation.metrics.similarity:Similarity",
    },
)

EXPORTERS = Registry(
    "exporter",
    {
        "gguf": "pipelines.exporters.gguf:GgufExporter",
    },
)

SUBJECTS = Registry(
    "subject of comments",
    {
        "node": "pipelines.subjects:find_node",
        "report": "evaluation.subjects:find_report",
        "report_row": "evaluation.subjects:find_row",
    },
)
"""Kind → a function ``(workspace, key)`` that gives a :class:`studio.comments.Subject`, or None when there is none."""
