"""Which number format the weights are computed in on this machine.

bfloat16 halves the memory, and is quicker where the processor computes it: GPUs, and CPUs with AMX or AVX-512 BF16. Elsewhere it is
emulated: on an AMD EPYC with AVX2 a product of matrices took 66 times as long as in float32. So ``auto`` tries both for some
milliseconds.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from pipelines.recipes.events import RecipeError

PRECISIONS = ("auto", "bfloat16", "float32")
WORTH = 1.5
"""bfloat16 may take this many times as long as float32 and is still chosen, for its memory."""
ROWS, WIDTH, TRIES = 64, 576, 3


def choose(wanted: str) -> Any:
    """The torch dtype for ``wanted`` (one of ``PRECISIONS``) here. Raises :class:`RecipeError` for any other word."""
    import torch

    if wanted not in PRECISIONS:
        raise RecipeError(f"Unknown precision {wanted!r}.", action="Use auto, bfloat16 or float32.", code="bad_config")
    if wanted != "auto":
        return getattr(torch, wanted)
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.float32 if slowdown() > WORTH else torch.bfloat16


def name_of(dtype: Any) -> str:
    """``float32`` of ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


@lru_cache(maxsize=1)
def slowdown() -> float:
    """How many times as long bfloat16 takes as float32 for a product of matrices on this processor."""
    import torch

    return _seconds(torch.bfloat16) / max(_seconds(torch.float32), 1e-9)


def _seconds(dtype: Any) -> float:
    """The quickest of a few products: what another program does meanwhile only makes the others slower."""
    import torch

    left, right = torch.ones(ROWS, WIDTH, dtype=dtype), torch.ones(WIDTH, WIDTH, dtype=dtype)
    taken = []
    for _ in range(TRIES + 1):
        begun = time.perf_counter()
        left @ right
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])
