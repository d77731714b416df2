"""A student as one plain model folder: ``python -m pipelines.exporters.merged CONFIG.json``.

CONFIG: ``{"base_model": folder, "adapter": folder, "out": folder}``. The folder appears complete or not at all, and a second run leaves a
complete one as it is. The result: ``{"kind": "f16" | "bf16", "bytes": n}``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pipelines.recipes.events import Events, RecipeError, run_main


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """Write the adapter into the base model's weights."""
    from pipelines.exporters.merge import merge

    base, out = Path(config["base_model"]), Path(config["out"])
    if not out.is_dir():
        check_space(base, out.parent)
        events.progress(0, None, unit="files", note="Writing the adapter into the weights")
        merge(base, Path(config["adapter"]), out)
    saved = json.loads((out / "config.json").read_text("utf-8"))
    kind = "bf16" if (saved.get("dtype") or saved.get("torch_dtype")) == "bfloat16" else "f16"
    return {"kind": kind, "bytes": sum(f.stat().st_size for f in out.glob("*.safetensors"))}


def check_space(base: Path, where: Path) -> None:
    """Raise :class:`RecipeError` when the disk has no room for a second copy of the weights."""
    need = int(1.05 * sum(f.stat().st_size for f in base.glob("*.safetensors")))
    free = shutil.disk_usage(where).free
    if free < need:
        raise RecipeError(
            f"The merged weights need about {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free.",
            action="Free some space on the disk of the data folder, or take merged off the candidates, then retry.",
            code="disk_full",
        )


if __name__ == "__main__":
    run_main(main)
