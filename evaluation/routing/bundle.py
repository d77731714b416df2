"""The router that goes with a report: one Python file and its settings. Pure: the report in, a zip's bytes out."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROUTER = Path(__file__).with_name("router.py")
STUDENT_URL = "http://127.0.0.1:8080/v1"
TEACHER_URL = "https://api.openai.com/v1"


def settings_of(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """What ``router.json`` holds, or None when the report has no chosen threshold."""
    cascade = report.get("cascade")
    if not cascade or cascade["threshold"] is None:
        return None
    told = report.get("student") or {}
    models = report.get("teacher_models") or []
    return {
        "threshold": cascade["threshold"],
        "student": {
            "url": STUDENT_URL,
            "model": "student",
            "key_variable": "STUDENT_API_KEY",
            "max_tokens": told.get("max_new_tokens", 64),
            "prompt_view": told.get("prompt_view") or {"mode": "keep", "text": ""},
            "timeout": 60,
        },
        "teacher": {
            "url": TEACHER_URL,
            "model": models[0]["model"] if models else "",
            "key_variable": "TEACHER_API_KEY",
            "timeout": 120,
        },
        "figures": {
            name: cascade[name]
            for name in ("measure", "margin", "chosen_on", "chosen", "confirmed", "student", "teacher", "reason")
        },
    }


def bundle(report: Mapping[str, Any]) -> bytes | None:
    """``router.zip``: the same bytes for the same report. None when there is no threshold to route by."""
    settings = settings_of(report)
    if settings is None:
        return None
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {
            "router.py": ROUTER.read_text(encoding="utf-8"),
            "router.json": json.dumps(settings, ensure_ascii=False, indent=2) + "\n",
        }
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), text)
    return out.getvalue()
