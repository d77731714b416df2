"""``python -m tests.chaos --kills 100``: see the package. Prints every blow, what it cost, and ``RESULT`` lines at the end."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Set the stage, then let the campaign begin. 0 when nothing was lost and nothing was done twice."""
    parser = argparse.ArgumentParser(description="Kill parts of a Studio at random while it distils.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two kills, in the mean")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "STUDIO_DATA_ROOT": str(folder / "data"),
        "STUDIO_MODEL_DIRS": str(folder),
    }
    try:
        # Django reads the environment when it is imported.
        from tests.chaos.campaign import fight

        return fight(folder, kills=args.kills, every=args.every, seed=args.seed)
    finally:
        if args.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
