"""Optional parts of the Studio and the one command that installs them; what they consist of is in ``pyproject.toml``."""

from __future__ import annotations

from typing import Literal

Extra = Literal["benchmarks", "names", "pdf"]


def install_command(name: Extra) -> str:
    """What a person runs in the Studio's folder. Not ``pip install distill-studio[…]``: the Studio is on no package index, and
    whoever took that name there could be anybody."""
    return f"make extra NAME={name}"
