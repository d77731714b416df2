"""The exported router, run as a user runs it: a process of its own against two servers on loopback."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from evaluation.routing.bundle import bundle, settings_of
from evaluation.routing.router import Router

REPORT = {
    "cascade": {
        "threshold": 0.8, "measure": "accuracy", "margin": 0.02, "chosen_on": "half", "chosen": {"rows": 50},
        "confirmed": {"rows": 50}, "student": None, "teacher": None, "reason": "",
    },
    "student": {"prompt_view": {"mode": "replace", "text": "Short."}, "max_new_tokens": 9},
    "teacher_models": [{"model": "big-1", "fingerprint": "", "rows": 100}],
}  # fmt: skip


class Server:
    """An OpenAI-compatible server that answers ``text`` with these token probabilities and remembers what it was asked."""

    def __init__(self, text: str, probabilities: list[float] | None, *, status: int = 200) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                outer.keys.append(self.headers["Authorization"])
                tokens = (
                    None if probabilities is None else [{"token": "x", "logprob": math.log(p)} for p in probabilities]
                )
                choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": {"content": tokens}}
                body = json.dumps({"choices": [choice]}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def teacher() -> Iterator[Server]:
    server = Server("from the teacher", None)
    yield server
    server.close()


def unpacked(folder: Path, student_url: str, teacher_url: str) -> Path:
    """The files of the zip with the servers' addresses written in, as a user would."""
    data = bundle(REPORT)
    assert data is not None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    settings = json.loads((folder / "router.json").read_text())
    settings["student"]["url"], settings["teacher"]["url"] = student_url, teacher_url
    (folder / "router.json").write_text(json.dumps(settings))
    return folder / "router.py"


def run(script: Path, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", str(script), "Where is my card?"],
        capture_output=True, text=True, timeout=60, env={"PATH": "", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_sure_student_answers_and_the_teacher_is_not_asked(tmp_path: Path, teacher: Server) -> None:
    student = Server("from the student", [0.95, 0.98])
    try:
        found = run(unpacked(tmp_path, student.url, teacher.url))
    finally:
        student.close()
    assert (found["text"], found["by"]) == ("from the student", "student")
    assert found["confidence"] == pytest.approx(0.95 * 0.98)
    assert teacher.asked == []
    [asked] = student.asked
    assert asked["messages"] == [
        {"role": "system", "content": "Short."},
        {"role": "user", "content": "Where is my card?"},
    ]
    assert (asked["logprobs"], asked["max_tokens"], asked["temperature"]) == (True, 9, 0)


def test_an_unsure_student_hands_the_question_back_as_it_was(tmp_path: Path, teacher: Server) -> None:
    student = Server("from the student", [0.9, 0.6])
    try:
        found = run(unpacked(tmp_path, student.url, teacher.url), TEACHER_API_KEY="sk-test")
    finally:
        student.close()
    assert (found["text"], found["by"], found["why"]) == ("from the teacher", "teacher", "not sure enough")
    [asked] = teacher.asked
    assert asked == {"model": "big-1", "messages": [{"role": "user", "content": "Where is my card?"}]}
    assert teacher.keys == ["Bearer sk-test"]


@pytest.mark.parametrize(("probabilities", "status"), [(None, 200), ([], 200), ([0.99], 500)])
def test_a_student_without_confidence_or_in_trouble_is_no_obstacle(
    tmp_path: Path, teacher: Server, probabilities: list[float] | None, status: int
) -> None:
    student = Server("from the student", probabilities, status=status)
    try:
        found = run(unpacked(tmp_path, student.url, teacher.url))
    finally:
        student.close()
    assert found["by"] == "teacher"


def test_a_student_that_is_not_there_is_no_obstacle(tmp_path: Path, teacher: Server) -> None:
    found = run(unpacked(tmp_path, "http://127.0.0.1:9/v1", teacher.url))
    assert found["by"] == "teacher"
    assert found["why"].startswith("the student did not answer")


def test_a_teacher_that_does_not_answer_is_an_error() -> None:
    gone = {"url": "http://127.0.0.1:9/v1", "model": "m", "max_tokens": 4}
    with pytest.raises(OSError, match="refused"):
        Router({"threshold": 0.5, "student": gone, "teacher": gone}).answer([{"role": "user", "content": "q"}])


@pytest.mark.parametrize(
    ("view", "roles"),
    [
        ({"mode": "keep", "text": ""}, ["system", "user"]),
        ({"mode": "drop", "text": ""}, ["user"]),
        (None, ["system", "user"]),
    ],
)
def test_the_student_sees_the_prompt_it_was_trained_for(view: dict[str, str] | None, roles: list[str]) -> None:
    router = Router({"threshold": 0.5, "student": {"prompt_view": view}, "teacher": {}})
    messages = [{"role": "system", "content": "Long."}, {"role": "user", "content": "q"}]
    assert [m["role"] for m in router.viewed(messages)] == roles


def test_only_web_addresses_are_asked() -> None:
    odd = {"url": "file:///etc", "model": "m", "max_tokens": 4}
    with pytest.raises(ValueError, match="no web address"):
        Router({"threshold": 0.5, "student": odd, "teacher": odd}).answer([{"role": "user", "content": "q"}])


def test_without_a_threshold_there_is_nothing_to_take_away() -> None:
    assert bundle({"cascade": None}) is None
    assert bundle({}) is None
    assert settings_of({"cascade": {"threshold": None}}) is None
    assert bundle(REPORT) == bundle(REPORT)
