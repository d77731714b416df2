"""The documentation points at things that exist, and says nothing about the machine it was written on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    links = [
        link for link in LINK.findall(document.read_text()) if "://" not in link and not link.startswith("mailto:")
    ]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


def test_every_decision_and_concept_is_in_the_index_or_the_readme() -> None:
    indexes = (ROOT / "docs" / "README.md").read_text() + (ROOT / "README.md").read_text()
    pages = [*(ROOT / "docs" / "decisions").glob("*.md"), *(ROOT / "docs" / "concepts").glob("*.md")]
    assert [page.name for page in pages if page.name not in indexes] == []


def test_make_targets_that_the_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.M))
    named = {(page.name, name) for page in PAGES for name in re.findall(r"`make ([a-z][a-z0-9-]*)", page.read_text())}
    assert [pair for pair in sorted(named) if pair[1] not in targets] == []


def test_no_file_names_the_machine_it_was_written_on() -> None:
    home = f"{Path.home()}/"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".sh", ".yaml", ".yml", ".toml", ".html", ".js", ".css"}:
            text = path.read_text(errors="replace")
            if f"{ROOT}/" in text or home in text:
                named.append(name)
    assert named == []
