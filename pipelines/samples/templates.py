"""Templates: pipelines to start from, each with the few questions that a person must answer first.

A template is a spec in ``template_specs`` and one entry of ``TEMPLATES``. A question names the parameter it fills. ``sample`` says how
the template runs on the bundled synthetic rows: see ``pipelines.samples.trying``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pipelines.building import pictures
from pipelines.samples import tickets
from pipelines.samples.tickets import Ticket
from pipelines.specs import spec as specs
from studio.lib.params import parse_form
from studio.lib.registry import UnknownName, close_matches
from studio.registries import STEPS, TEACHERS
from vault.rows import Row

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
class SampleData:
    """A dataset of synthetic rows. ``rows`` makes them; ``node`` is the step that reads it."""

    node: str
    name: str
    rows: Callable[[], list[Row]]


@dataclass(frozen=True)
class Sample:
    """How a template runs on bundled rows: its datasets, and parameters of its nodes that keep it small. ``minutes``: about how
    long that takes on two idle cores (docs/experiments.md); told until it can be worked out from what ran in the workspace."""

    data: tuple[SampleData, ...]
    params: Mapping[str, Mapping[str, Any]]
    minutes: float


@dataclass(frozen=True)
class Template:
    """A pipeline to start from. ``name`` is also the name of its spec's file; ``description`` is its promise in one line."""

    name: str
    label: str
    description: str
    needs: str
    duration: str
    questions: tuple[Question, ...]
    sample: Sample

    @property
    def step_labels(self) -> list[str]:
        """The labels of its steps in the order they run."""
        spec = specs.parse(load(self.name))
        return [STEPS[spec.node(node_id).step].label for node_id in spec.order()]

    @property
    def picture(self) -> str:
        """Its graph as SVG text (escaped)."""
        spec = specs.parse(load(self.name))
        title = f"{len(spec.nodes)} steps of {self.label}: {', '.join(self.step_labels)}"
        return pictures.draw_graph(spec, title=title)


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

SCHEMA = Question(
    "json_schema",
    "json",
    "json_schema",
    "JSON Schema",
    "What every answer must look like. Empty: any JSON will do.",
    "textarea",
)
RECORDED = {"teacher": "recorded"}
QUICK = {"epochs": 2.0, "learning_rate": 1e-3, "rows_per_step": 16}
"""Two epochs: in a third the validation loss of the labels rises again (0.05 to 0.09)."""
SHORT_REPORT = {"max_new_tokens": 8, "base_rows": 20, "latency_rows": 5, "margin": 5.0}
ONE_FILE = {"quantisations": ["Q8_0"], "max_new_tokens": 8, "minimum_agreement": 0.95}
"""Of some sixty held-out rows a single one that differs is below the usual 99 %."""


def _tickets(part: slice = slice(None)) -> list[Ticket]:
    return tickets.generate()[part]


def _older() -> list[Ticket]:
    """Messages of the time before anybody cancelled."""
    return [t for t in _tickets(slice(0, 240)) if t.label != tickets.NEW_LABEL]


LABELLED = SampleData("data", "Help desk: labels (synthetic)", lambda: tickets.label_rows(_tickets()))
TEMPLATES = {
    template.name: template
    for template in (
        Template(
            "classification",
            "Label classification from a CSV",
            "A teacher sorts texts into a fixed set of labels; a small student learns to do the same.",
            "A CSV of texts, your labels, and a teacher (or a column with its answers). A few hundred rows will do.",
            "Five to fifteen minutes for a thousand rows on two CPU cores, after the teacher has answered.",
            (DATASET, *TEACHER, LABELS),
            Sample(
                (LABELLED,),
                {
                    "teacher": RECORDED,
                    "labels": {"labels": list(tickets.LABELS)},
                    "student": QUICK,
                    "report": SHORT_REPORT,
                    "model": ONE_FILE,
                },
                minutes=5,
            ),
        ),
        Template(
            "json_extraction",
            "JSON extraction",
            "A teacher takes the facts out of a text as JSON; only answers that fit your schema are learnt.",
            "Texts, an instruction that names the fields, a JSON Schema, and a teacher.",
            "Ten to twenty minutes for a thousand rows on two CPU cores, longer with large objects.",
            (DATASET, *TEACHER, SCHEMA),
            Sample(
                (
                    SampleData(
                        "data",
                        "Help desk: facts as JSON (synthetic)",
                        lambda: tickets.fact_rows(_tickets(slice(0, 300))),
                    ),
                ),
                {
                    "teacher": RECORDED,
                    "json": {"json_schema": json.dumps(tickets.JSON_SCHEMA, indent=1)},
                    "student": {**QUICK, "epochs": 3.0},
                    "report": {**SHORT_REPORT, "max_new_tokens": 48},
                    "model": {**ONE_FILE, "max_new_tokens": 48, "minimum_agreement": 0.8},
                },
                minutes=6,
            ),
        ),
        Template(
            "free_text",
            "Free-text answers",
            "A teacher writes answers of any length; the student learns to write like it.",
            "Prompts and a teacher. Style takes some hundred rows, knowledge many more.",
            "A quarter to half an hour for a thousand rows on two CPU cores; a GPU is worth it.",
            (DATASET, *TEACHER),
            Sample(
                (
                    SampleData(
                        "data", "Help desk: replies (synthetic)", lambda: tickets.reply_rows(_tickets(slice(0, 240)))
                    ),
                ),
                {
                    "teacher": RECORDED,
                    "student": {**QUICK, "epochs": 3.0},
                    "report": {**SHORT_REPORT, "rows": 24, "max_new_tokens": 64},
                    "model": {**ONE_FILE, "max_new_tokens": 64, "replay_rows": 12, "minimum_agreement": 0.5},
                },
                minutes=7,
            ),
        ),
        Template(
            "uploaded_answers",
            "Distil from uploaded teacher answers",
            "The file already holds the teacher's answers: no calls, no costs. For labels and for free text.",
            "One file of prompts with the teacher's answers, from any provider.",
            "Five to fifteen minutes for a thousand rows on two CPU cores.",
            (DATASET,),
            Sample(
                (
                    SampleData(
                        "data", "Help desk: checked labels (synthetic)", lambda: tickets.clean_label_rows(_tickets())
                    ),
                ),
                {"student": QUICK, "report": SHORT_REPORT, "model": ONE_FILE},
                minutes=5,
            ),
        ),
        Template(
            "prompt_lengths",
            "Short prompt against long prompt",
            "Finds out whether the student needs the teacher's long instructions, or answers as well from a few words.",
            "Rows with a long system prompt, and a teacher.",
            "Twice the time of one student.",
            (
                DATASET,
                *TEACHER,
                Question(
                    "short_prompt",
                    "short",
                    "system_prompt",
                    "Short prompt",
                    "What the second student sees instead of the instruction.",
                    "textarea",
                ),
            ),
            Sample(
                (LABELLED,),
                {
                    "teacher": RECORDED,
                    "long": QUICK,
                    "short": {**QUICK, "system_prompt": tickets.SHORT_PROMPT},
                    "report_long": {**SHORT_REPORT, "candidates": ["teacher", "student"]},
                    "report_short": SHORT_REPORT | {"candidates": ["teacher", "student"]},
                    "model": ONE_FILE,
                },
                minutes=7,
            ),
        ),
        Template(
            "three_students",
            "Compare three students",
            "Three students learn from the same rows; their reports say how small yours may be.",
            "Rows and a teacher, and up to three base models. Left as they are: one base model, three sizes of adapter.",
            "The sum of three trainings; they may run side by side on several workers.",
            (
                DATASET,
                *TEACHER,
                *(
                    Question(name, name, "base_model", f"{label} student", "Base model. Empty: the embedded one.")
                    for name, label in (("small", "Small"), ("middle", "Middle"), ("large", "Large"))
                ),
            ),
            Sample(
                (LABELLED,),
                {
                    "teacher": RECORDED,
                    **dict.fromkeys(("small", "middle", "large"), QUICK),
                    **{
                        f"report_{name}": {**SHORT_REPORT, "candidates": ["teacher", "student"]}
                        for name in ("small", "middle", "large")
                    },
                },
                minutes=9,
            ),
        ),
        Template(
            "refresh",
            "Refresh an existing student",
            "New rows have come: a new student learns from all of them, and the report says what they brought.",
            "The rows your student learnt from, new rows, and held-out rows that neither may see.",
            "Two trainings: the new student, and the old one again as the measure.",
            (
                replace(DATASET, name="known", node="known", label="Rows so far", help="What the student learnt from."),
                replace(DATASET, name="new", node="new", label="New rows", help="With or without answers."),
                replace(
                    DATASET,
                    name="held_out",
                    node="held_out",
                    label="Held-out rows",
                    help="With answers. Those of the last report, and some of the new kind.",
                ),
                *TEACHER,
            ),
            Sample(
                (
                    SampleData(
                        "known", "Help desk: rows so far (synthetic)", lambda: tickets.clean_label_rows(_older())
                    ),
                    SampleData(
                        "new",
                        "Help desk: new rows (synthetic)",
                        lambda: tickets.clean_label_rows(_tickets(slice(240, 360))),
                    ),
                    SampleData(
                        "held_out",
                        "Help desk: held-out rows (synthetic)",
                        lambda: tickets.clean_label_rows(_tickets(slice(360, 420))),
                    ),
                ),
                {
                    "teacher": RECORDED,
                    "student": QUICK,
                    "before": QUICK,
                    "report": {**SHORT_REPORT, "candidates": ["teacher", "student"]},
                    "report_before": SHORT_REPORT,
                    "model": ONE_FILE,
                },
                minutes=6,
            ),
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


def instantiate_sample(name: str, slugs: Mapping[str, str]) -> dict[str, Any]:
    """A template's spec for its sample data: ``slugs`` names the dataset of each node that reads one."""
    spec, sample = load(name), get(name).sample
    for node in spec["nodes"]:
        more = {"dataset": slugs[node["id"]]} if node["id"] in slugs else {}
        node["params"] = {**node["params"], **more, **sample.params.get(node["id"], {})}
    return spec
