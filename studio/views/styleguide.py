"""The page that shows every part of the interface; browser tests photograph it and check its accessibility."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp, sin
from typing import Any, Literal

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from studio.lib.params import BaseParams, describe, param

COLOURS = (
    ("canvas", "page"),
    ("surface", "cards, tables"),
    ("sunken", "rail, heads"),
    ("line", "hairlines"),
    ("ink", "text"),
    ("ink-2", "secondary text"),
    ("ink-3", "captions"),
    ("accent", "primary action, focus"),
    ("teacher", "teacher"),
    ("base", "base model"),
    ("student", "student"),
    ("quantised", "quantised"),
    ("outside", "outside model"),
    ("ok", "succeeded"),
    ("warn", "warning"),
    ("fail", "failed"),
    ("wait", "waits for a person"),
    ("run", "running"),
)
STATUSES = (
    *("pending", "running", "waiting", "succeeded", "failed", "warning", "cancelled", "cached"),
    *("open", "changes", "approved", "rejected", "void"),
)
LABELS = ("groceries", "dining", "transport", "rent", "salary", "health")
COUNTS = (
    (46, 2, 0, 0, 0, 1),
    (3, 38, 1, 0, 0, 0),
    (0, 1, 29, 0, 0, 0),
    (0, 0, 0, 24, 0, 0),
    (0, 0, 0, 1, 18, 0),
    (2, 0, 0, 0, 0, 21),
)


class SampleParams(BaseParams):
    """Parameters of every kind, for the form on this page."""

    learning_rate: float = param(
        8e-4, label="Learning rate", help="Peak of the cosine schedule.", gt=0, le=1, unit="per step"
    )
    rows_per_step: int = param(
        32, label="Rows per step", help="Rows whose gradient is averaged.", unit="rows", ge=1, le=512
    )
    method: Literal["lora", "qlora"] = param("qlora", label="Method", help="QLoRA keeps the base in 4 bits.")
    system_prompt: str = param(
        "", label="System prompt", help="Replaces the one in the rows.", widget="textarea", advanced=True
    )
    labels: tuple[str, ...] = param(LABELS[:3], label="Allowed labels", help="Any other answer is rejected.")
    packing: bool = param(True, label="Prefix-tree packing", help="Shared beginnings are computed once.")


class SampleForm(forms.Form):
    """A plain Django form, for the same look."""

    name = forms.CharField(label="Name", help_text="Letters, digits and dashes.")
    file = forms.FileField(label="Data", required=False)


def _spans(now: datetime) -> list[dict[str, Any]]:
    start = now - timedelta(minutes=6)
    table = (
        ("Dataset", "cached", 0, 1),
        ("Generate", "succeeded", 1, 64),
        ("Allowed labels", "succeeded", 64, 66),
        ("Split", "succeeded", 66, 68),
        ("Train", "running", 68, None),
        ("Evaluate", "pending", None, None),
    )
    return [
        {
            "name": name,
            "status": status,
            "start": None if begin is None else start + timedelta(seconds=begin),
            "end": None if end is None else start + timedelta(seconds=end),
        }
        for name, status, begin, end in table
    ]


def _curve() -> dict[str, Any]:
    """A loss-like curve; the same at every visit."""
    steps = list(range(1, 121))
    train = [round(2.4 * exp(-s / 28) + 0.31 + 0.09 * sin(s * 2.7) * exp(-s / 90), 4) for s in steps]
    held_out = [round(2.3 * exp(-s / 30) + 0.36, 4) if s % 20 == 0 else None for s in steps]
    return {
        "x": steps,
        "series": [
            {"name": "Training", "role": "student", "values": train, "smooth": True},
            {"name": "Held out", "role": "teacher", "values": held_out},
        ],
        "live": False,
    }


def _graph() -> dict[str, Any]:
    """A drawn pipeline: small boxes in the colours of their groups, and three with a state and words."""
    groups = ("data", "teacher", "curation", "training", "evaluation", "review", "export")
    columns = (0, 1, 2, 3, 4, 4, 5)
    tops = (21, 21, 21, 21, 1, 41, 21)
    nodes: list[dict[str, Any]] = [
        {"group": g, "x": 1 + 52 * c, "y": y} for g, c, y in zip(groups, columns, tops, strict=True)
    ]
    pairs = ((0, 1), (1, 2), (2, 3), (3, 4), (3, 5), (4, 6))
    edges = [
        f"M{a['x'] + 34} {a['y'] + 10}C{a['x'] + 43} {a['y'] + 10} {b['x'] - 9} {b['y'] + 10} {b['x']} {b['y'] + 10}"
        for a, b in ((nodes[i], nodes[j]) for i, j in pairs)
    ]
    told = (("Generate", "succeeded", "1 180 answers"), ("Train", "running", "412 / 939"), ("Evaluate", "failed", ""))
    labelled = [
        {"label": label, "state": state, "fact": fact, "x": 1 + 174 * i, "text": 11 + 174 * i}
        for i, (label, state, fact) in enumerate(told)
    ]
    return {"nodes": nodes, "edges": edges, "labelled": labelled, "width": 52 * 5 + 36}


def _differences() -> list[dict[str, Any]]:
    table = (
        ("All rows", 240, -0.023, -0.051, 0.004),
        ("Short", 90, 0.03, -0.02, 0.08),
        ("Refunds", 31, -0.13, -0.19, -0.06),
    )
    return [
        {
            "name": name, "rows": rows, "value": value, "low": low, "high": high,
            "text": f"{value * 100:+.1f}".replace("-", "\u2212"),
            "interval": f"{low * 100:+.1f} to {high * 100:+.1f}".replace("-", "\u2212"),
        }
        for name, rows, value, low, high in table
    ]  # fmt: skip


def sample_context(now: datetime) -> dict[str, Any]:
    """Everything the page shows, made up here and the same at every visit but for the times."""
    values: dict[str, Any] = SampleParams().model_dump()
    form = SampleForm({"name": ""})
    form.is_valid()
    return {
        "colours": COLOURS,
        "statuses": STATUSES,
        "fields": [(field, values[field.name]) for field in describe(SampleParams)],
        "bad_field": describe(SampleParams)[1],
        "ask_field": describe(SampleParams)[1],
        "ask_other": describe(SampleParams)[2],
        "graph": _graph(),
        "differences": _differences(),
        "lengths": [(n, round(exp(-n / 180), 4)) for n in range(64, 1025, 64)],
        "form": form,
        "spans": _spans(now),
        "curve": _curve(),
        "labels": LABELS,
        "counts": COUNTS,
        "bins": [
            {"low": 20 * i, "high": 20 * i + 20, "count": c, "href": f"?bin={i}#pictures"}
            for i, c in enumerate((4, 38, 152, 240, 301, 218, 120, 64, 31, 9, 3))
        ],
        "bars": [{"label": label, "value": n} for label, n in zip(LABELS, (312, 244, 180, 121, 96, 58), strict=True)],
        "grades": [
            {"label": f"{n} of 5", "value": k, "text": str(k)} for n, k in ((5, 41), (4, 28), (3, 9), (2, 3), (1, 1))
        ],
        "calibration": [
            {"confidence": c, "accuracy": a, "count": n, "low": a - w, "high": min(1.0, a + w)}
            for c, a, n, w in (
                (0.35, 0.30, 12, 0.2),
                (0.55, 0.52, 25, 0.15),
                (0.75, 0.71, 60, 0.1),
                (0.93, 0.95, 300, 0.03),
            )
        ],
        "scores": [
            {"role": "teacher", "name": "Teacher", "value": 0.954, "low": 0.930, "high": 0.971, "ms": 840.0},
            {"role": "base", "name": "Base, prompted", "value": 0.312, "low": 0.265, "high": 0.363, "ms": 38.0},
            {"role": "student", "name": "Student", "value": 0.931, "low": 0.903, "high": 0.952, "ms": 41.0},
            {"role": "quantised", "name": "Student Q4_K_M", "value": 0.918, "low": 0.888, "high": 0.941, "ms": 22.0},
        ],
        "messages_": [
            {"role": "system", "content": "Assign the bank transaction to one of six categories."},
            {"role": "user", "content": "TESCO STORES 3211 LONDON GB  -23.40 GBP"},
        ],
        "answer": {"role": "assistant", "content": "groceries"},
        "reference": {"role": "assistant", "content": "groceries"},
        "before": "Refund of a taxi fare, so it is transport.",
        "after": "Refund of a train fare, hence transport.",
        "spec": {"schema": 1, "nodes": [{"id": "train", "step": "train", "params": {"rank": 16, "packing": True}}]},
        "command": "ollama create bank-categories -f Modelfile\nollama run bank-categories",
        "trend": [0.71, 0.74, 0.79, 0.86, 0.85, 0.9, 0.93],
        "earlier": now - timedelta(minutes=3),
        "long_ago": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    }


@login_required
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every part, once."""
    return render(request, "studio/styleguide.html", sample_context(timezone.now()))


@login_required
def styleguide_drawer(request: HttpRequest) -> HttpResponse:
    """The drawer of the page, alone for htmx and over the page otherwise."""
    context = sample_context(timezone.now()) | {"drawer": True}
    htmx: Any = getattr(request, "htmx", None)
    return render(request, "studio/styleguide.html#drawer_part" if htmx else "studio/styleguide.html", context)
