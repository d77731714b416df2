"""Writes the settings table of ``docs/operations.md`` from ``studio.conf``: ``make docs``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from studio import conf  # noqa: E402 (after the path)

PAGE = ROOT / "docs" / "operations.md"
BLOCK = re.compile(r"(<!-- settings -->\n).*?(<!-- end of settings -->)", re.S)


def default(setting: conf.Setting) -> str:
    """A setting's default as an operator would write it."""
    value = setting.default
    if setting.kind == "path":
        return f"`{Path(value).relative_to(ROOT)}` beside the code"
    if setting.kind == "list":
        return f"`{','.join(value)}`" if value else "empty"
    return "empty" if value == "" else f"`{value}`"


def main() -> None:
    """Replace the block between the markers."""
    rows = [f"| `{s.name}` | {default(s)} | {s.help} |" for s in conf.SETTINGS]
    table = "\n".join(["| name | default | what it is |", "|---|---|---|", *rows])
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", PAGE.read_text()))


if __name__ == "__main__":
    main()
