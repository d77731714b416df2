"""The few questions a template asks before it becomes a pipeline."""

from __future__ import annotations

from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django import forms

from pipelines.models import Schedule
from pipelines.specs.spec import MAX_BYTES
from studio.models import ProviderCredential, Workspace
from vault.models import Dataset


class TemplateForm(forms.Form):
    """A name, and one field for each of the template's questions. A question's ``kind`` is dataset, credential, choice or text."""

    name = forms.CharField(max_length=120, label="Name", help_text="How the pipeline is called in lists.")

    def __init__(self, *args: Any, template: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for question in template.questions:
            self.fields[question.name] = self._field(question, workspace)

    @staticmethod
    def _field(question: Any, workspace: Workspace) -> forms.Field:
        common: dict[str, Any] = {
            "label": question.label,
            "help_text": question.help,
            "required": question.required,
            "initial": question.default,
        }
        match question.kind:
            case "dataset":
                options = [(d.slug, d.name) for d in Dataset.objects.filter(workspace=workspace)]
            case "credential":
                options = [(c.name, str(c)) for c in ProviderCredential.objects.filter(workspace=workspace)]
            case "choice":
                return forms.ChoiceField(choices=[(c, c.replace("_", " ")) for c in question.choices], **common)
            case "textarea":
                return forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), **common)
            case _:
                return forms.CharField(**common)
        return forms.ChoiceField(choices=[("", "Choose…"), *options], **common)


class ScheduleForm(forms.Form):
    """When a pipeline runs by itself. :meth:`schedule` is what was filled in, not saved."""

    every = forms.ChoiceField(label="When", choices=Schedule.Every.choices, initial=Schedule.Every.DAY)
    weekday = forms.TypedChoiceField(
        label="Day", choices=Schedule.Weekday.choices, coerce=int, required=False, empty_value=None,
        help_text="For every week.",
    )  # fmt: skip
    at = forms.TimeField(
        label="Hour", required=False, initial=time(2, 0), input_formats=["%H:%M", "%H:%M:%S"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), help_text="For every day and every week.",
    )  # fmt: skip
    zone = forms.CharField(
        label="Time zone", required=False, initial="UTC", max_length=60,
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}), help_text="For example Europe/Berlin.",
    )  # fmt: skip
    dataset = forms.ChoiceField(label="Dataset", required=False, help_text="For a new version of a dataset.")
    waits = forms.BooleanField(
        label="Wait for the run before", required=False, initial=True,
        help_text="Start nothing while a run of this schedule is still going.",
    )  # fmt: skip

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.datasets = {d.slug: d for d in Dataset.objects.filter(workspace=workspace)}
        field = self.fields["dataset"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Choose…"), *((slug, d.name) for slug, d in self.datasets.items())]

    def clean_zone(self) -> str:
        """A name of the IANA database."""
        name = self.cleaned_data["zone"].strip() or "UTC"
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise forms.ValidationError(f"There is no time zone '{name}'. Write it as Europe/Berlin or UTC.") from None
        if name not in available_timezones():
            raise forms.ValidationError(f"There is no time zone '{name}'. Write it as Europe/Berlin or UTC.")
        return str(name)

    def clean(self) -> dict[str, Any]:
        """What each kind of schedule needs."""
        values = super().clean() or {}
        every = values.get("every")
        if every == Schedule.Every.VERSION and not values.get("dataset") and "dataset" not in self.errors:
            self.add_error("dataset", "Choose the dataset whose new versions start a run.")
        if every in (Schedule.Every.DAY, Schedule.Every.WEEK) and values.get("at") is None and "at" not in self.errors:
            self.add_error("at", "Say at what hour.")
        if every == Schedule.Every.WEEK and values.get("weekday") is None and "weekday" not in self.errors:
            self.add_error("weekday", "Say on which day.")
        return values

    def schedule(self) -> Schedule:
        """The unsaved schedule, with only what its kind needs."""
        values = self.cleaned_data
        made = Schedule(every=values["every"], waits=values["waits"])
        if made.every == Schedule.Every.VERSION:
            made.dataset = self.datasets[values["dataset"]]
            return made
        made.at, made.zone = values["at"], values["zone"]
        made.weekday = values["weekday"] if made.every == Schedule.Every.WEEK else None
        return made


class ImportForm(forms.Form):
    """A spec as a file or as text. ``cleaned_data["text"]`` is what was given, as text."""

    file = forms.FileField(required=False, label="File", help_text="A spec in YAML or JSON.")
    pasted = forms.CharField(
        required=False, label="Or its text", widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"})
    )
    name = forms.CharField(required=False, max_length=120, label="Name", help_text="Empty: the name in the spec.")

    def clean(self) -> dict[str, Any]:
        """Take the file's text, or the pasted one."""
        values = super().clean() or {}
        file = values.get("file")
        if file is not None:
            if file.size > MAX_BYTES:
                raise forms.ValidationError(f"The file has {file.size:,} bytes; a spec has at most {MAX_BYTES:,}.")
            try:
                values["text"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                raise forms.ValidationError("The file is not text in UTF-8. Save it as UTF-8 and try again.") from None
        elif values.get("pasted", "").strip():
            values["text"] = values["pasted"]
        else:
            raise forms.ValidationError("Choose a file, or paste the spec's text.")
        return values


class OwnTemplateForm(forms.Form):
    """How a pipeline is saved as a template."""

    name = forms.CharField(max_length=120, label="Name", help_text="How the template is called in the gallery.")
    promise = forms.CharField(max_length=300, required=False, label="Promise", help_text="What it is for, in a line.")
    with_data = forms.BooleanField(
        required=False,
        label="Keep datasets and credentials",
        help_text="Otherwise whoever uses it chooses their own.",
    )


class UseTemplateForm(forms.Form):
    """A name, and a dataset for each step of the template that names none."""

    name = forms.CharField(max_length=120, label="Name", help_text="How the pipeline is called in lists.")

    def __init__(self, data: Any = None, *, steps: list[str], workspace: Workspace, initial: dict[str, Any]) -> None:
        first = initial.pop("dataset-first", "")
        super().__init__(data, initial=initial)
        options = [("", "Choose later"), *((d.slug, d.name) for d in Dataset.objects.filter(workspace=workspace))]
        for place, step in enumerate(steps):
            self.fields[f"dataset-{step}"] = forms.ChoiceField(
                choices=options,
                required=False,
                initial=first if place == 0 else "",
                label="Dataset" if len(steps) == 1 else f"Dataset of {step}",
            )

    def datasets(self) -> dict[str, str]:
        """Step → the dataset that was chosen for it."""
        return {
            name.removeprefix("dataset-"): value
            for name, value in self.cleaned_data.items()
            if name.startswith("dataset-") and value
        }
