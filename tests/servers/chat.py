"""A small server that speaks OpenAI's chat and Anthropic's messages wire formats on loopback, and misbehaves as told.

It is scripted: each request takes the next :class:`Reply` of ``script`` (then ``default``). It counts what it was asked, how many
requests it held at once, and keeps the headers and bodies it saw.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One scripted answer. ``text`` None echoes the last user message in upper case. ``raw`` is sent as it is."""

    text: str | None = None
    status: int = 200
    finish: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    raw: bytes | None = None
    error: str = "scripted failure"
    code: str | None = None
    hang: bool = False
    drop: bool = False
    """Close the connection without a word."""
    breaks: bool = False
    """A streamed answer ends before its end."""
    uncounted: bool = False
    """A streamed answer does not say how many tokens it used."""


@dataclass
class ChatServer:
    """State of a running server; ``url`` ends where the API begins."""

    url: str = ""
    key: str | None = None
    """When set, any other key is answered with 401."""
    script: list[Reply] = field(default_factory=list)
    default: Reply = Reply()
    say: Callable[[dict[str, Any]], str] | None = None
    """Makes the text of an answer from the request, where the reply has none of its own."""
    input_tokens: int = 100
    output_tokens: int = 10
    cached_tokens: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    answered: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def prompts(self) -> list[str]:
        """The last message of every request, in order of arrival."""
        return [body["messages"][-1]["content"] for body in self.bodies]

    def next_reply(self) -> Reply:
        """The next scripted answer."""
        with self.lock:
            return self.script.pop(0) if self.script else self.default


def openai_body(server: ChatServer, request: dict[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    """A chat completion as OpenAI's API returns it."""
    said = server.say(request) if server.say else request["messages"][-1]["content"].upper()
    text = said if reply.text is None else reply.text
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request["model"] + "-2024-07-18",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": reply.finish,
            }
        ],
        "usage": {
            "prompt_tokens": server.input_tokens,
            "completion_tokens": server.output_tokens,
            "total_tokens": server.input_tokens + server.output_tokens,
            "prompt_tokens_details": {"cached_tokens": server.cached_tokens, "audio_tokens": 0},
        },
    }


def anthropic_body(server: ChatServer, request: dict[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    """A message as Anthropic's API returns it."""
    content = request["messages"][-1]["content"]
    text = content.upper() if reply.text is None else reply.text
    stops = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": request["model"] + "-20251001",
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stops[reply.finish],
        "stop_sequence": None,
        "usage": {
            "input_tokens": server.input_tokens - server.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": server.cached_tokens,
            "output_tokens": server.output_tokens,
        },
    }


def openai_events(body: dict[str, Any], reply: Reply) -> list[bytes]:
    """The same completion as OpenAI streams it: a word at a time, the number of tokens last."""
    shared = {key: body[key] for key in ("id", "created", "model", "system_fingerprint")}
    shared["object"] = "chat.completion.chunk"

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}

    words = body["choices"][0]["message"]["content"].split(" ")
    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": word if n == 0 else f" {word}"}) for n, word in enumerate(words)]
    if not reply.breaks:
        chunks.append(chunk({}, body["choices"][0]["finish_reason"]))
        if not reply.uncounted:
            chunks.append({**shared, "choices": [], "usage": body["usage"]})
    return [f"data: {json.dumps(one)}\n\n".encode() for one in chunks] + [b"data: [DONE]\n\n"]


def anthropic_events(body: dict[str, Any], reply: Reply) -> list[bytes]:
    """The same message as Anthropic streams it."""
    text = body["content"][0]["text"] if body["content"] else ""
    usage = body["usage"]
    begun = {**body, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 0}}
    events: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": begun}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *(("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": part}}) for part in text),
    ]
    if not reply.breaks:
        events += [
            ("content_block_stop", {"index": 0}),
            (
                "message_delta",
                {
                    "delta": {"stop_reason": body["stop_reason"], "stop_sequence": None},
                    "usage": {"output_tokens": usage["output_tokens"]},
                },
            ),
            ("message_stop", {}),
        ]
    return [f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode() for name, data in events]


def make_handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    """A request handler bound to ``server``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            return

        def do_GET(self) -> None:
            if not self.allowed():
                return self.send_error_body(401, Reply(error="Incorrect API key provided", code="invalid_api_key"))
            if self.path.startswith("/redirect"):
                return self.send_bytes(302, b"", {"Location": f"{server.url}/v1/models"})
            models = [{"id": "small", "object": "model", "created": 1, "owned_by": "test", "type": "model"}]
            return self.send_json(200, {"object": "list", "data": models, "has_more": False}, {})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.bodies.append(request)
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                number = len(server.bodies)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                self.reply(request, server.next_reply(), number)
            finally:
                with server.lock:
                    server.at_once -= 1

        def reply(self, request: dict[str, Any], reply: Reply, number: int) -> None:
            if not self.allowed():
                return self.send_error_body(401, Reply(error="Incorrect API key provided", code="invalid_api_key"))
            if reply.hang:
                server.closing.wait(60)
                self.close_connection = True
                return None
            if reply.drop:
                self.close_connection = True
                return None
            time.sleep(reply.delay)
            if reply.raw is not None:
                return self.send_bytes(reply.status, reply.raw, {"Content-Type": "application/json", **reply.headers})
            if reply.status != 200:
                return self.send_error_body(reply.status, reply)
            body = (anthropic_body if self.is_anthropic else openai_body)(server, request, reply, number)
            with server.lock:
                server.answered += 1
            if request.get("stream"):
                events = (anthropic_events if self.is_anthropic else openai_events)(body, reply)
                return self.send_bytes(200, b"".join(events), {"Content-Type": "text/event-stream", **reply.headers})
            return self.send_json(200, body, reply.headers)

        @property
        def is_anthropic(self) -> bool:
            return self.path.startswith("/v1/messages")

        def allowed(self) -> bool:
            given = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
            return server.key is None or given == server.key

        def send_error_body(self, status: int, reply: Reply) -> None:
            error = {"type": "error_type", "message": reply.error}
            if self.is_anthropic:
                return self.send_json(status, {"type": "error", "error": error}, reply.headers)
            return self.send_json(status, {"error": {**error, "param": None, "code": reply.code}}, reply.headers)

        def send_json(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
            self.send_bytes(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})

        def send_bytes(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


@contextmanager
def running_chat_server(**state: Any) -> Iterator[ChatServer]:
    """A server on a free loopback port, stopped at the end."""
    server = ChatServer(**state)
    http = _Server(("127.0.0.1", 0), make_handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()
        thread.join(5)
