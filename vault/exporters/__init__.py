"""Row exporters: rows leave at the exit in the formats that others read. One format = one file here + one line below."""

from __future__ import annotations

from studio.lib.registry import Registry

ROW_EXPORTERS = Registry(
    "row exporter",
    {
        "jsonl": "vault.exporters.studio:StudioJsonl",
        "openai": "vault.exporters.openai_chat:OpenAIJsonl",
        "trl_prompt_completion": "vault.exporters.trl:TrlPromptCompletion",
        "trl_messages": "vault.exporters.trl:TrlMessages",
        "sharegpt": "vault.exporters.sharegpt:ShareGptJsonl",
        "alpaca": "vault.exporters.alpaca:AlpacaJsonl",
        "csv": "vault.exporters.csv_table:Csv",
        "parquet": "vault.exporters.parquet:Parquet",
    },
)
