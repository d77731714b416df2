"""Installs an optional part into the running Python: ``python scripts/extra.py benchmarks``.

What a part consists of stands in ``pyproject.toml``; where it has a lock file, the locked versions are taken. Packages that the
Studio needs itself keep theirs.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OFFERED = ("benchmarks", "names", "pdf", "postgres")


def arguments(name: str) -> list[str]:
    """What pip is asked for."""
    lock = ROOT / "requirements" / f"{name}.lock"
    if lock.is_file():
        return ["-r", str(lock)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return ["-c", str(ROOT / "requirements.lock"), *project["optional-dependencies"][name]]


def main() -> int:
    """Install the part that is named, or say which there are."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in OFFERED:
        print(f"Name one of {', '.join(OFFERED)}: make extra NAME={OFFERED[0]}", file=sys.stderr)
        return 2
    return subprocess.call([sys.executable, "-m", "pip", "install", *arguments(name)])


if __name__ == "__main__":
    sys.exit(main())
