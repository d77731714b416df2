"""What may be done with rows: whose model answered, under which terms, and whether one may train on that and pass it on.

The table says what the terms said on the date given, in one sentence, with the place to read them. It is a help to a
person who decides, and no legal advice. What a person states on the dataset counts for more than the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from studio import audit
from studio.lib.errors import StudioError
from vault import store
from vault.models import Dataset, DatasetVersion
from vault.query import ask
from vault.rows import ROWS_FILE


class May(StrEnum):
    """Whether one may: from the best to the worst."""

    YES = "yes"
    CONDITIONS = "conditions"
    UNKNOWN = "unknown"
    NO = "no"

    @property
    def words(self) -> str:
        """How it reads."""
        return {"yes": "allowed", "conditions": "with conditions", "unknown": "unknown", "no": "not allowed"}[
            self.value
        ]


ORDER = (May.YES, May.CONDITIONS, May.UNKNOWN, May.NO)


def worst(found: list[May]) -> May:
    """The one that decides; :attr:`May.UNKNOWN` for none."""
    return max(found, key=ORDER.index, default=May.UNKNOWN)


@dataclass(frozen=True)
class Terms:
    """The terms of a kind of teacher. ``model`` and ``teacher``: patterns for a row's ``meta["model"]`` and
    ``meta["teacher"]`` (empty: any). ``as_of``: the date of the terms that the entry was written from."""

    name: str
    training: May
    redistribution: May
    note: str
    url: str
    as_of: str
    model: str = ""
    teacher: str = ""

    def match(self, *, teacher: str, model: str) -> bool:
        """Whether these are the terms of this teacher and model."""
        return bool(
            (not self.model or re.search(self.model, model, re.IGNORECASE))
            and (not self.teacher or re.fullmatch(self.teacher, teacher))
        )


TERMS: tuple[Terms, ...] = (
    Terms(
        name="Llama 2 and Llama 3 licences",
        training=May.NO,
        redistribution=May.CONDITIONS,
        note="Output may not be used to improve any large language model other than Llama.",
        url="https://www.llama.com/llama3/license/",
        as_of="2024-04-18",
        model=r"llama-?(2|3)(?![.\d])|llama-2|meta-llama-3-",
    ),
    Terms(
        name="Llama licences from 3.1 on",
        training=May.CONDITIONS,
        redistribution=May.CONDITIONS,
        note="A model trained on output that is passed on has a name beginning with “Llama” and says “Built with Llama”.",
        url="https://www.llama.com/llama3_1/license/",
        as_of="2024-07-23",
        model=r"llama-?(3\.[1-9]|[4-9])",
    ),
    Terms(
        name="Apache 2.0 models",
        training=May.YES,
        redistribution=May.YES,
        note="The licence of the model says nothing that limits its output.",
        url="https://www.apache.org/licenses/LICENSE-2.0",
        as_of="2004-01-01",
        model=r"smollm|gpt-oss|qwen-?3(?!.*-(max|plus|turbo))|mixtral-8x|mistral-7b|mistral-nemo|olmo",
    ),
    Terms(
        name="MIT models",
        training=May.YES,
        redistribution=May.YES,
        note="The licence of the model says nothing that limits its output.",
        url="https://opensource.org/license/mit",
        as_of="1988-01-01",
        model=r"deepseek-r1(?!-distill-llama)|phi-[34]",
    ),
    Terms(
        name="Gemma terms of use",
        training=May.CONDITIONS,
        redistribution=May.CONDITIONS,
        note="A model made to behave like Gemma by training on its output counts as derived from it and keeps its terms.",
        url="https://ai.google.dev/gemma/terms",
        as_of="2025-03-24",
        model=r"gemma-?[123]",
    ),
    Terms(
        name="Gemini API terms",
        training=May.CONDITIONS,
        redistribution=May.CONDITIONS,
        note="Not to develop models that compete with the Gemini API or Google AI Studio.",
        url="https://ai.google.dev/gemini-api/terms",
        as_of="2025-05-20",
        model=r"gemini",
    ),
    Terms(
        name="OpenAI terms",
        training=May.CONDITIONS,
        redistribution=May.CONDITIONS,
        note="Output is yours, but is not to be used to develop models that compete with OpenAI.",
        url="https://openai.com/policies/services-agreement/",
        as_of="2026-05-22",
        teacher=r"openai",
    ),
    Terms(
        name="OpenAI terms",
        training=May.CONDITIONS,
        redistribution=May.CONDITIONS,
        note="Output is yours, but is not to be used to develop models that compete with OpenAI.",
        url="https://openai.com/policies/services-agreement/",
        as_of="2026-05-22",
        model=r"^(openai/)?(gpt-[345]|chatgpt|o[134](-|$))",
    ),
    Terms(
        name="Anthropic commercial terms",
        training=May.CONDITIONS,
        redistribution=May.CONDITIONS,
        note="Output is yours, but is not to be used to train competing models without Anthropic's approval.",
        url="https://www.anthropic.com/legal/commercial-terms",
        as_of="2025-06-17",
        teacher=r"anthropic",
    ),
    Terms(
        name="Anthropic commercial terms",
        training=May.CONDITIONS,
        redistribution=May.CONDITIONS,
        note="Output is yours, but is not to be used to train competing models without Anthropic's approval.",
        url="https://www.anthropic.com/legal/commercial-terms",
        as_of="2025-06-17",
        model=r"claude",
    ),
)
"""The first that matches counts: licences of open models before the services that run them."""

NOT_KNOWN = Terms(
    name="not known",
    training=May.UNKNOWN,
    redistribution=May.UNKNOWN,
    note="The rows don't say whose answers these are, or the terms are not in the Studio's table.",
    url="",
    as_of="",
)


def terms_of(*, teacher: str, model: str) -> Terms:
    """The terms under which this teacher's answers come; :data:`NOT_KNOWN` when the table has none."""
    return next((terms for terms in TERMS if terms.match(teacher=teacher, model=model)), NOT_KNOWN)


def row_terms(meta: dict[str, Any]) -> Terms:
    """The terms of one row's answer."""
    return terms_of(teacher=str(meta.get("teacher") or ""), model=str(meta.get("model") or ""))


class Source(NamedTuple):
    """Rows answered by one teacher and model, and their terms."""

    teacher: str
    model: str
    rows: int
    terms: Terms


@dataclass(frozen=True)
class Statement:
    """What a person stated: it counts for more than the table."""

    training: May
    redistribution: May
    text: str
    by: str
    at: str


@dataclass(frozen=True)
class Rights:
    """What may be done with a version's rows. ``override``: an owner's reason to export them all the same."""

    training: May
    redistribution: May
    sources: list[Source]
    statement: Statement | None
    override: dict[str, str] | None

    @property
    def refused(self) -> bool:
        """Whether an export is refused: training is not allowed, and no owner has said why it happens all the same."""
        return self.training is May.NO and self.override is None

    @property
    def needs_care(self) -> bool:
        """Whether somebody should read the terms before using the export."""
        return self.training is not May.YES or self.redistribution is not May.YES


class Refused(StudioError):
    """The rows' rights don't allow an export."""

    def __init__(self, version: DatasetVersion, rights: Rights) -> None:
        named = ", ".join(sorted({s.terms.name for s in rights.sources if s.terms.training is May.NO}))
        why = f"under the {named}" if named and rights.statement is None else "as stated on the dataset"
        super().__init__(
            f"{version} is not exported: training on it is not allowed {why}.",
            action="An owner may state other rights, or export it all the same and give the reason.",
        )


def rights_of(version: DatasetVersion) -> Rights:
    """The rights of a version: what a person stated on the dataset, or the worst that its answers' terms say."""
    sources = [
        Source(teacher, model, rows, terms_of(teacher=teacher, model=model))
        for teacher, model, rows in _teachers(store.path(version.artifact))
    ]
    stated = version.dataset.rights
    statement = (
        Statement(
            May(stated["training"]), May(stated["redistribution"]), stated.get("text", ""), stated["by"], stated["at"]
        )
        if "training" in stated
        else None
    )
    override = stated.get("override", {}).get(str(version.number))
    if statement:
        return Rights(statement.training, statement.redistribution, sources, statement, override)
    return Rights(
        worst([s.terms.training for s in sources]),
        worst([s.terms.redistribution for s in sources]),
        sources,
        None,
        override,
    )


@lru_cache(maxsize=128)
def _teachers(folder: Path) -> list[tuple[str, str, int]]:
    """Who answered the rows that have an answer, most rows first. Remembered: a version's folder never changes."""
    found = ask(
        "SELECT coalesce(json_extract_string(meta, '$.teacher'), ''), coalesce(json_extract_string(meta, '$.model'), ''), "
        "count(*) FROM read_parquet(?) WHERE completion IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        [str(folder / ROWS_FILE)],
        root=settings.DATA_ROOT,
    )
    return [(str(teacher), str(model), int(rows)) for teacher, model, rows in found]


def check_export(version: DatasetVersion) -> Rights:
    """The rights of a version that may be exported; raises :class:`Refused`."""
    rights = rights_of(version)
    if rights.refused:
        raise Refused(version, rights)
    return rights


def _change(dataset: Dataset, values: dict[str, Any]) -> None:
    held = Dataset.objects.select_for_update().get(pk=dataset.pk)
    held.rights = values
    held.save(update_fields=["rights"])
    dataset.rights = values


@transaction.atomic
def state(dataset: Dataset, *, training: str, redistribution: str, text: str, by: Any) -> None:
    """A person states the dataset's rights. Raises ``StudioError`` without a word on why."""
    if not text.strip():
        raise StudioError("Say why: whose rows these are, and where it is written.", action="Fill in the statement.")
    try:
        said = {"training": May(training).value, "redistribution": May(redistribution).value}
    except ValueError:
        raise StudioError("Choose what is allowed from the list.", action="Choose again.") from None
    present = Dataset.objects.select_for_update().get(pk=dataset.pk).rights
    made = said | {"text": text.strip()[:2_000], "by": by.get_username(), "at": timezone.now().isoformat()}
    _change(dataset, {**present, **made})
    audit.record(dataset.workspace, actor=by, verb="stated the rights of", subject=str(dataset), details=made)


@transaction.atomic
def withdraw(dataset: Dataset, *, by: Any) -> None:
    """The statement goes; the table counts again."""
    present = Dataset.objects.select_for_update().get(pk=dataset.pk).rights
    if "training" not in present:
        return
    _change(dataset, {"override": present["override"]} if "override" in present else {})
    audit.record(dataset.workspace, actor=by, verb="withdrew the stated rights of", subject=str(dataset))


@transaction.atomic
def override(version: DatasetVersion, *, reason: str, by: Any) -> None:
    """An owner lets a version be exported although its rights don't. ``by`` is a user, or a name such as "operator"."""
    if len(reason.strip()) < 10:
        raise StudioError(
            "An export against the terms needs its reason.", action="Say in a sentence why it is right here."
        )
    dataset = version.dataset
    present = Dataset.objects.select_for_update().get(pk=dataset.pk).rights
    name = by if isinstance(by, str) else by.get_username()
    made = {"reason": reason.strip()[:2_000], "by": name, "at": timezone.now().isoformat()}
    _change(dataset, {**present, "override": {**present.get("override", {}), str(version.number): made}})
    audit.record(
        dataset.workspace, actor=by, verb="allowed an export against the terms of", subject=str(version), details=made
    )
