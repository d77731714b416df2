"""Any server that speaks OpenAI's chat wire format: vLLM, Ollama, llama-server, LM Studio, most gateways."""

from __future__ import annotations

from typing import ClassVar

from pipelines.teachers.openai import OpenAITeacher
from studio.lib.params import BaseParams, param


class OpenAICompatibleTeacher(OpenAITeacher):
    """A server of your own or another provider's, by its address. The key is optional."""

    label: ClassVar[str] = "OpenAI-compatible server"
    needs_key: ClassVar[bool] = False
    # The older name is the one that every compatible server knows.
    max_tokens_field: ClassVar[str] = "max_tokens"

    class Params(BaseParams):
        """Which server and which of its models answers."""

        base_url: str = param(
            label="Address",
            help="Up to and including /v1, for example http://127.0.0.1:11434/v1 for Ollama.",
            min_length=1,
            suggestions=("http://127.0.0.1:11434/v1",),
        )
        model: str = param(
            label="Model", help="The model's name as the server lists it under /v1/models.", min_length=1
        )
