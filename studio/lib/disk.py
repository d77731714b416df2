"""Whether an error means that the disk is full, whoever raised it."""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
SAID = (
    "no space left",
    "disk quota exceeded",
    "database or disk is full",
    *(f"os error {number}" for number in FULL),
    # torch.save tells a short write by the position it finds itself at, and says nothing of the reason.
    "pytorchstreamwriter failed writing",
    "unexpected pos",
)
"""How libraries that raise errors of their own (safetensors, pyarrow, SQLite, torch) put it, in lower case."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one of those it was raised from, says that the disk or the user's share of it is full."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno is not None:
            if link.errno in FULL:
                return True
        elif any(words in str(link).lower() for words in SAID):
            return True
        link = link.__cause__
    return False
