"""Templates: pipelines to start from, each with the few questions that a person must answer first.

A template is a spec in ``template_specs`` and one line of ``TEMPLATES``. A question names the parameter it fills.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipelines import spec as specs
from studio.lib.params import parse_form
from studio.lib.registry import UnknownName, close_matches
from studio.registries import STEPS, TEACHERS

FOLDER = Path(__file__).parent / "template_specs"

QuestionKind = Literal["dataset", "credential", "choice", "textarea", "text"]


@dataclass(frozen=True)
class Question:
    """One thing to ask. ``node`` and ``param``: where the answer goes; an empty answer leaves the parameter as it is."""

    name: str
    node: str
    param: str
    label: str
    help: str = ""
    kind: QuestionKind = "text"
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Template:
    """A pipeline to start from. ``name`` is also the name of its spec's file."""

    name: str
    label: str
    description: str
    questions: tuple[Question, ...] = field(default=())

    @property
    def step_labels(self) -> list[str]:
        """The labels of its steps in the order they run."""
        spec = specs.parse(load(self.name))
        return [STEPS[spec.node(node_id).step].label for node_id in spec.order()]


DATASET = Question(
    "dataset", "data", "dataset", "Dataset", "The prompts to learn from. Upload a file first.", "dataset", required=True
)
TEACHER = (
    Question(
        "teacher",
        "teacher",
        "teacher",
        "Teacher",
        "Who answers the prompts. “recorded” takes the answers that are already in the dataset.",
        "choice",
        required=True,
        default="openai",
        choices=tuple(TEACHERS),
    ),
    Question(
        "model", "teacher", "model", "Teacher's model", "As the provider spells it. Not needed for recorded answers."
    ),
    Question(
        "credential",
        "teacher",
        "credential",
        "Credential",
        "The stored API key to use, where one is needed.",
        "credential",
    ),
    Question(
        "base_url", "teacher", "base_url", "Address", "Only for an OpenAI-compatible server: up to and including /v1."
    ),
    Question(
        "instruction",
        "teacher",
        "system_prompt",
        "Instruction",
        "What to do with each prompt, sent as the system prompt. Empty: the rows bring their own.",
        "textarea",
    ),
)
LABELS = Question(
    "labels",
    "labels",
    "labels",
    "Labels",
    "One a line, spelt as the student should answer. Empty: the distinct reference answers of the dataset.",
    "textarea",
)

TEMPLATES = {
    template.name: template
    for template in (
        Template(
            "classification",
            "Label classification from a CSV",
            "A teacher sorts texts into a fixed set of labels; the student learns to do the same.",
            (DATASET, *TEACHER, LABELS),
        ),
        Template(
            "uploaded_answers",
            "Distil from uploaded teacher answers",
            "The dataset already holds the teacher's answers: no calls, no costs. Works for labels and for free text.",
            (DATASET,),
        ),
        Template(
            "free_text",
            "Free-text answers",
            "A teacher writes answers of any length; the student learns to write like it.",
            (DATASET, *TEACHER),
        ),
    )
}


def list_templates() -> Iterator[Template]:
    """Every template, in the order of the gallery."""
    return iter(TEMPLATES.values())


def get(name: str) -> Template:
    """The template of this name; raises ``UnknownName`` (a ``LookupError``) with close matches."""
    if name not in TEMPLATES:
        raise UnknownName(f"There is no template '{name}'. {close_matches(name, TEMPLATES)}")
    return TEMPLATES[name]


def load(name: str) -> dict[str, Any]:
    """The spec in ``template_specs/<name>.yaml`` as a fresh value that may be changed."""
    return dict(specs.load_text((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def instantiate(name: str, answers: Mapping[str, str]) -> dict[str, Any]:
    """A template's spec with the answers (text, as typed) filled in. Raises ``UnknownName`` for an unknown template.

    The spec need not be valid yet: what is missing shows as a problem in the builder.
    """
    spec = load(name)
    by_id = {node["id"]: node for node in spec["nodes"]}
    for question in get(name).questions:
        text = answers.get(question.name) or ""
        if text.strip():
            node = by_id[question.node]
            values = parse_form(STEPS[node["step"]].Params, {question.param: text})
            node["params"] = {**node["params"], question.param: values[question.param]}
    return spec
