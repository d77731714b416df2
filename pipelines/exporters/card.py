"""The texts beside the weights: the model card and Ollama's Modelfile. Pure: plain data in, text out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Message = dict[str, str]
Render = Callable[[list[Message], bool], str]
"""Messages and whether the answer's beginning is wanted → the chat as text, by the model's own template. Raises
``ValueError`` for a chat that the template refuses."""
MARKS = ("qsysq", "qaskq", "qansq", "qmoreq")


class Turns(NamedTuple):
    """A chat template taken apart: the begin token it starts with (or ""), what stands before the first turn when there is
    no system message, and what stands around turns."""

    bos: str
    opening: str
    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]


def take_apart(render: Render, *, bos: str) -> Turns | None:
    """Read a template's turns off probe conversations, or None when it is not a plain sequence of turns (or refuses them).

    ``bos``: text of the tokenizer's begin token; it is told apart when the template writes it once, at the start.
    """
    system, ask, answer, more = MARKS
    chat = [_turn("system", system), _turn("user", ask), _turn("assistant", answer), _turn("user", more)]
    try:
        texts = [render(part, True) for part in (chat, chat[1:2], chat[:2], chat[1:])]
    except ValueError:
        return None
    begins = bool(bos) and all(text.startswith(bos) and text.count(bos) == 1 for text in texts)
    texts = [text.removeprefix(bos) for text in texts] if begins else texts
    parts, bare = re.split("|".join(MARKS), texts[0]), texts[1]
    if len(parts) != 5 or bare.count(ask) != 1:
        return None
    before_system, after_system, after_user, after_answer, end = parts
    opening = bare.split(ask)[0]
    user = _common_end(_common_end(after_system, after_answer), opening)
    if not after_user.startswith(end):
        return None
    turns = Turns(
        bos=bos if begins else "",
        opening=opening.removesuffix(user),
        system=(before_system, after_system.removesuffix(user)),
        user=(user, end),
        assistant=(after_user.removeprefix(end), after_answer.removesuffix(user)),
    )
    # Believe it only if it writes every probe exactly as the template does.
    probes = (chat, chat[1:2], chat[:2], chat[1:])
    return turns if all(_write(turns, probe) == text for probe, text in zip(probes, texts, strict=True)) else None


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _common_end(a: str, b: str) -> str:
    n = 0
    while n < min(len(a), len(b)) and a[-1 - n] == b[-1 - n]:
        n += 1
    return a[len(a) - n :]


def _write(turns: Turns, chat: Sequence[Message]) -> str:
    text = "" if chat[0]["role"] == "system" else turns.opening
    for message in chat:
        before, after = getattr(turns, message["role"])
        text += before + message["content"] + after
    return text


def ollama_template(turns: Turns, *, adds_bos: bool) -> str:
    """The turns in Ollama's (Go) template language. ``adds_bos``: llama.cpp puts the begin token there by itself."""
    bos = "" if adds_bos else turns.bos
    first = f"{{{{ if not .System }}}}{turns.opening}{{{{ end }}}}" if turns.opening else ""
    body = ""
    for role in ("system", "user", "assistant"):
        before, after = getattr(turns, role)
        body += f'{{{{ {"else " if body else ""}if eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}'
    return f"{bos}{first}{{{{ range .Messages }}}}{body}{{{{ end }}}}{{{{ end }}}}"


def modelfile(file: str, *, template: str | None, system: str | None, stops: Sequence[str]) -> str:
    """Ollama's Modelfile for ``file``. ``system``: the system prompt the student was trained with, when there is one."""
    lines = [f"FROM ./{file}"]
    if template is not None:
        lines.append(f'TEMPLATE """{template}"""')
    if system:
        lines.append(f'SYSTEM """{system.replace(chr(34) * 3, chr(34) + " " + chr(34) * 2)}"""')
    lines.append("PARAMETER temperature 0")
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    return "\n".join(lines) + "\n"


def model_card(export: Mapping[str, Any]) -> str:
    """README.md of an export, from what ``export.json`` says."""
    name, card = export["name"], export.get("card") or {}
    base = export["base_model"]
    sections = [
        f"# {name}\n\nA small model distilled from a teacher's answers with Distill Studio, as GGUF files for llama.cpp, "
        "Ollama and LM Studio.",
        _files(export["files"]),
        _parity(export),
        _facts("Where it comes from", {"Base model": base["ref"], "Base model revision": base["revision"], **card}),
        _prompt(export),
        _commands(name, export["files"]),
        "## Licence\n\nThese weights are the base model's with an adapter added, so the base model's licence holds for "
        "them; look it up at the base model's page. The terms of the teacher's provider may limit what a model "
        "trained on its answers may be used for. Nothing else is licensed by this file.",
    ]
    return "\n\n".join(s for s in sections if s) + "\n"


def _files(files: Sequence[Mapping[str, Any]]) -> str:
    rows = [f"| {f['name']} | {f['size'] / 1e6:,.0f} MB | {' '.join(f.get('notes') or [])} |" for f in files]
    return "\n".join(["## Files", "", "| file | size | notes |", "|---|---:|---|", *rows])


def _parity(export: Mapping[str, Any]) -> str:
    checked = [f for f in export["files"] if f.get("parity")]
    if not checked:
        return "## Checks\n\nThe files open in llama.cpp. They were not replayed against the adapter."
    lines = [
        f"- {f['name']}: the adapter's very answer on {f['parity']['same']:,} of {f['parity']['rows']:,} held-out rows "
        f"({f['parity']['same'] / f['parity']['rows']:.1%})."
        for f in checked
        if f["parity"]["rows"]
    ]
    verdict = "" if export.get("parity") != "failed" else "\n\n**The agreement is below what was asked for.**"
    return "## Checks\n\nEvery file was replayed through llama.cpp, greedily:\n\n" + "\n".join(lines) + verdict


def _facts(title: str, facts: Mapping[str, Any]) -> str:
    return "\n".join(
        [f"## {title}", "", *(f"- {key}: {value}" for key, value in facts.items() if value not in (None, ""))]
    )


def _prompt(export: Mapping[str, Any]) -> str:
    system = export.get("system")
    if not system:
        return ""
    quoted = "\n".join(f"> {line}" for line in system.splitlines())
    return f"## System prompt\n\nThe model was trained with this system prompt; use the same one:\n\n{quoted}"


def _commands(name: str, files: Sequence[Mapping[str, Any]]) -> str:
    file = files[0]["name"]
    return "\n".join(
        [
            "## How to run it",
            "",
            "```sh",
            f"ollama create {name} -f Modelfile && ollama run {name}   # Ollama",
            f"llama-server --model {file} --jinja --port 8080          # llama.cpp, speaks the OpenAI protocol",
            f"lms import {file}                                        # LM Studio",
            "```",
            "",
            "Answers were measured greedily: set the temperature to 0 for the same ones.",
        ]
    )
