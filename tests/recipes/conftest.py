"""Fixtures of the recipe tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.recipes.chat import Chat
from tests.recipes import tiny

torch.set_num_threads(1)  # tiny products: more threads only wait for each other


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random chat model."""
    return tiny.save_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The tiny model's tokenizer."""
    return tiny.make_tokenizer()


@pytest.fixture
def chat(tokenizer: Any) -> Chat:
    """The tiny model's chat format."""
    return Chat(tokenizer)
