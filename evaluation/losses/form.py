"""What a person chooses for the next round: groups, the change, who writes and who answers. All of it is in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from evaluation.losses import next_round
from evaluation.losses.starting import Plan
from pipelines.models import Pipeline
from studio.models import ProviderCredential
from studio.registries import TEACHERS
from vault.models import DatasetVersion

ASK, KEEP = "ask", "keep"


class NextRoundForm(forms.Form):
    """``views``: the groups as the page shows them."""

    group = forms.TypedMultipleChoiceField(
        label="Groups",
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        help_text="One to three keep the result readable.",
    )
    change = forms.ChoiceField(label="Change", choices=list(next_round.KINDS.items()), widget=forms.RadioSelect)
    count = forms.IntegerField(
        label="New prompts",
        min_value=1,
        max_value=20_000,
        required=False,
        help_text="Written in total; repeats and what is like a held-out row are dropped.",
    )
    teacher = forms.ChoiceField(label="Teacher", required=False, help_text="Who writes the prompts.")
    model = forms.CharField(label="Model", max_length=200, required=False, help_text="As the provider spells it.")
    credential = forms.ChoiceField(label="Credential", required=False)
    base_url = forms.CharField(
        label="Address",
        max_length=400,
        required=False,
        help_text="Of an OpenAI-compatible server, up to and including /v1.",
    )
    cost_cap_usd = forms.FloatField(
        label="Cost cap (US$)",
        min_value=0.000001,
        max_value=1e6,
        required=False,
        help_text="Of each of the steps that ask the teacher; it stops and asks before it could pass this.",
    )
    dataset = forms.ChoiceField(
        label="Dataset", required=False, help_text="Its latest version. Not one with held-out rows."
    )
    nearest = forms.IntegerField(
        label="Only the nearest rows",
        min_value=1,
        max_value=1_000_000,
        required=False,
        help_text="So many rows of the dataset, those most like the lost rows of the groups. Empty: all of them.",
    )
    answers = forms.ChoiceField(
        label="Answers to the new rows",
        choices=[(ASK, "A teacher answers them"), (KEEP, "They keep a label or answer")],
        help_text="A written prompt keeps the label that the writer was told to aim at: look at some in the step's output. Rows of a dataset keep the answers they have.",
    )

    def __init__(
        self, data: QueryDict, *, views: Sequence[Mapping[str, Any]], pipeline: Pipeline, is_text: bool
    ) -> None:
        own = next_round.teacher_of(pipeline.draft)
        self.own, self.is_text = own, is_text
        super().__init__(_with_defaults(data, own, is_text=is_text))
        for name in ("count", "teacher", "model", "dataset"):
            # Needed by one of the changes: its label must not say "optional".
            self.fields[name].by_choice = True  # type: ignore[attr-defined]
        choice: Any = self.fields["group"]
        choice.choices = [(v["number"], f"{v['name']} ({v['size']})") for v in views]
        teacher: Any = self.fields["teacher"]
        teacher.choices = [(n, TEACHERS[n].label) for n in TEACHERS if n != "recorded"]
        credential: Any = self.fields["credential"]
        keys = ProviderCredential.objects.filter(workspace=pipeline.workspace_id)
        credential.choices = [("", "None"), *((key.name, str(key)) for key in keys)]
        self.versions = {
            v.dataset.slug: v
            for v in DatasetVersion.objects.filter(dataset__workspace=pipeline.workspace_id)
            .select_related("dataset")
            .order_by("number")
        }
        dataset: Any = self.fields["dataset"]
        offered = sorted(self.versions.values(), key=lambda v: v.dataset.name)
        dataset.choices = [
            ("", "Choose…"), *((v.dataset.slug, f"{v.dataset.name}, {v.rows:,} rows") for v in offered if not v.held_out)
        ]  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """What the chosen change needs."""
        values: dict[str, Any] = super().clean() or {}
        asks = values.get("change") == "more" or (values.get("answers") == ASK and self.own is None)
        if values.get("change") == "add" and not values.get("dataset"):
            self.add_error("dataset", "Choose the dataset whose rows are added.")
        if values.get("change") == "more" and not values.get("count"):
            self.add_error("count", "Enter how many prompts to write.")
        if self.is_text and values.get("change") == "more" and values.get("answers") == KEEP:
            self.add_error(
                "answers", "Free text can't be taken over from examples: have a teacher answer the new prompts."
            )
        if asks and not values.get("model"):
            self.add_error("model", "Enter the name of the teacher's model.")
        return values

    def plan(self) -> Plan:
        """The choice as a plan; call it on a valid form."""
        values = self.cleaned_data
        mine = {name: values[name] for name in ("teacher", "model", "credential", "base_url") if values[name]}
        if self.own is not None and self.own.get("teacher") == mine.get("teacher"):
            prices = {name: self.own[name] for name in ("price_in", "price_out") if self.own.get(name) is not None}
            mine = {**prices, **mine}
        cap = {"cost_cap_usd": values["cost_cap_usd"]} if values["cost_cap_usd"] else {}
        writer = {**mine, **cap, "count": values["count"] or 1}
        if values["answers"] == KEEP:
            writer["answers"] = "as the examples'"
        own = self.own or {**mine}
        answerer = {**own, **cap, "keep_existing": True} if values["answers"] == ASK else None
        is_more = values["change"] == "more"
        version = None if is_more else self.versions[values["dataset"]]
        nearest = 0 if is_more else values["nearest"] or 0
        return Plan(
            values["change"], sorted(set(values["group"])), writer if is_more else {}, answerer, version, nearest
        )


def _with_defaults(data: QueryDict, own: Mapping[str, Any] | None, *, is_text: bool) -> QueryDict:
    """The address with what the pipeline and the task suggest for what it does not say."""
    filled = data.copy()
    known = own or {}
    defaults = {
        "change": "more",
        "count": "200",
        "teacher": str(known.get("teacher") or "openai"),
        "model": str(known.get("model") or ""),
        "credential": str(known.get("credential") or ""),
        "base_url": str(known.get("base_url") or ""),
        "answers": KEEP if own is None and not is_text else ASK,
    }
    for name, value in defaults.items():
        if name not in filled:
            filled[name] = value
    return filled
