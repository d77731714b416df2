"""Every spec in the documentation and in files is one that this Studio reads, and all but fragments can run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.samples import templates
from pipelines.specs import spec as specs

ROOT = Path(__file__).resolve().parents[1]
FENCED = re.compile(r"^```ya?ml\n(.*?)^```", re.DOTALL | re.MULTILINE)
UNWIRED = "is not wired"


def examples() -> list[tuple[str, str]]:
    """``(place, text)`` of every YAML block with nodes in a page, and of every spec file."""
    found = []
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        blocks = [
            text
            for text in FENCED.findall(page.read_text(encoding="utf-8"))
            if re.search(r"^nodes:", text, re.MULTILINE)
        ]
        found += [(f"{page.relative_to(ROOT)}#{n}", text) for n, text in enumerate(blocks, start=1)]
    files = [*(ROOT / "specs").rglob("*.yaml"), *(ROOT / "pipelines" / "samples").rglob("*.yaml")]
    return found + [(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")) for file in sorted(files)]


EXAMPLES = examples()


def test_the_examples_are_found() -> None:
    places = [place for place, _ in EXAMPLES]
    assert sum(place.startswith("docs/") for place in places) >= 2
    assert sum(place.startswith("pipelines/") for place in places) == len(templates.TEMPLATES) + 1


@pytest.mark.parametrize(("place", "text"), EXAMPLES, ids=[place for place, _ in EXAMPLES])
def test_an_example_is_a_spec_without_problems(place: str, text: str) -> None:
    """A page may show a part (inputs left open); a template leaves open what it asks for."""
    problems = specs.validate(specs.parse(specs.load_text(text)))
    if place.startswith("docs/"):
        problems = [p for p in problems if UNWIRED not in p.message]
    if "template_specs" in place:
        asked = {(q.node, q.param) for q in templates.get(Path(place).stem).questions}
        problems = [p for p in problems if (p.node, p.field) not in asked and p.node != "teacher"]
    assert problems == []
