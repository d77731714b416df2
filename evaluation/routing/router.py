"""Ask the small model first, and the large one where the small one is not sure. Python 3.9 or later, nothing to install.

    python router.py "Where is my card?"          answers on standard output
    from router import Router; Router.load().answer([{"role": "user", "content": "Where is my card?"}])

The settings lie in router.json beside this file: addresses and names of both models, the threshold, and the figures it was
chosen by. The keys come from the environment: the names of the variables are in router.json.

The confidence is the probability that the small model gave to the words it wrote (the product of its tokens' probabilities).
The evaluation compared labels with each other, which gives the same or a slightly higher figure: a few more answers are handed
back than it says, never fewer. A server that returns no log-probabilities has no confidence, and everything is handed back.
"""

from __future__ import annotations

import json
import math
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any


class Router:
    """``settings`` is what router.json holds."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    @classmethod
    def load(cls, path: str | Path | None = None) -> Router:
        """The router with the settings beside this file, or in ``path``."""
        file = Path(path) if path else Path(__file__).with_name("router.json")
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def answer(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """``{"text", "by": "student" | "teacher", "confidence", "why"}`` to chat messages.

        A student that can't be reached or gives no confidence is no obstacle: the teacher answers. Raises ``OSError`` or
        ``ValueError`` when the teacher itself does not answer.
        """
        text: str | None = None
        confidence: float | None = None
        why = ""
        try:
            text, confidence = self.ask_student(messages)
        except (OSError, ValueError) as error:
            why = f"the student did not answer: {error}"
        if confidence is not None and confidence >= self.settings["threshold"]:
            return {"text": text, "by": "student", "confidence": confidence, "why": "sure enough"}
        if not why:
            why = "no log-probabilities" if confidence is None else "not sure enough"
        return {"text": self.ask_teacher(messages), "by": "teacher", "confidence": confidence, "why": why}

    def ask_student(self, messages: list[dict[str, Any]]) -> tuple[str, float | None]:
        """``(text, confidence)`` of the small model; the confidence is None when the server returns no log-probabilities."""
        student = self.settings["student"]
        body = {
            "model": student["model"],
            "messages": self.viewed(messages),
            "temperature": 0,
            "max_tokens": student["max_tokens"],
            "logprobs": True,
        }
        choice = post(student, body)
        tokens = (choice.get("logprobs") or {}).get("content") or []
        if choice.get("finish_reason") == "length" or not tokens:
            return text_of(choice), None
        return text_of(choice), math.exp(min(0.0, sum(token["logprob"] for token in tokens)))

    def ask_teacher(self, messages: list[dict[str, Any]]) -> str:
        """The large model's answer."""
        teacher = self.settings["teacher"]
        return text_of(post(teacher, {"model": teacher["model"], "messages": messages}))

    def viewed(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The messages as the small model was trained to see them: with, without, or with another system prompt."""
        view = self.settings["student"].get("prompt_view") or {"mode": "keep"}
        if view["mode"] == "keep":
            return messages
        rest = [message for message in messages if message["role"] != "system"]
        return [{"role": "system", "content": view["text"]}, *rest] if view["mode"] == "replace" else rest


def post(model: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The first choice of an OpenAI-compatible server. Raises ``OSError`` (not reached, refused) or ``ValueError``."""
    headers = {"Content-Type": "application/json"}
    key = os.environ.get(model.get("key_variable") or "", "")
    if key:
        headers["Authorization"] = f"Bearer {key}"
    url = model["url"].rstrip("/") + "/chat/completions"
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no web address")
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=model.get("timeout", 60)) as answer:  # noqa: S310
        found = json.loads(answer.read())
    try:
        choice: dict[str, Any] = found["choices"][0]
    except (KeyError, IndexError, TypeError):
        raise ValueError("the answer holds no choice") from None
    return choice


def text_of(choice: dict[str, Any]) -> str:
    """The text of a choice, stripped of white space at its ends."""
    return str((choice.get("message") or {}).get("content") or "").strip()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f'usage: python {Path(__file__).name} "the question"')
    print(json.dumps(Router.load().answer([{"role": "user", "content": sys.argv[1]}]), ensure_ascii=False))
