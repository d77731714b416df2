"""Optional parts: what the messages say to run is what installs them."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from studio.lib.extras import Extra, install_command

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", get_args(Extra))
def test_the_command_in_a_message_reaches_pip_with_that_parts_packages(name: str) -> None:
    shown = subprocess.run(
        [*install_command(name).split(), "--dry-run"],  # type: ignore[arg-type]
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert f'scripts/extra.py "{name}"' in shown
    asked = runpy.run_path(str(ROOT / "scripts/extra.py"))["arguments"](name)
    package = {"benchmarks": "lm-eval", "names": "spacy", "pdf": "weasyprint"}[name]
    text = Path(asked[1]).read_text("utf-8") if asked[0] == "-r" else " ".join(asked)
    assert re.search(rf"\b{package}[=>]", text)


def test_a_part_that_is_not_offered_is_answered_with_those_that_are() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts/extra.py"), "gpu"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "benchmarks, names, pdf, postgres" in done.stderr


def test_no_message_sends_a_person_to_a_package_index_for_the_studio() -> None:
    """The name is not ours there."""
    sent = [
        str(path.relative_to(ROOT))
        for top in ("studio", "vault", "pipelines", "evaluation", "templates", "docs", "benchmarks")
        for path in (ROOT / top).rglob("*")
        if path.suffix in {".py", ".md", ".html"} and "pip install 'distill-studio" in path.read_text("utf-8")
    ]
    assert sent == []
