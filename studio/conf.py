"""Every setting an operator can set, in one table: name, type, default and help. Nothing else reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ

from studio.lib.errors import StudioError

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Setting:
    """One environment variable. ``kind`` is a ``django-environ`` caster name: str, bool, int, list, path."""

    name: str
    kind: str
    default: Any
    help: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "STUDIO_DATA_ROOT", "path", BASE_DIR / "data", "Folder for the database, artifacts, scratch, logs and keys."
    ),
    Setting(
        "STUDIO_DATABASE_URL",
        "str",
        "",
        "Database URL, e.g. postgres://user:pass@host/name. Empty: SQLite in the data root.",
    ),
    Setting("STUDIO_REDIS_URL", "str", "", "Broker URL, e.g. redis://host:6379/0. Empty: the embedded broker."),
    Setting(
        "STUDIO_SECRET_KEY", "str", "", "Django's secret key. Empty: made once and kept in the data root (mode 0600)."
    ),
    Setting(
        "STUDIO_ENCRYPTION_KEYS",
        "list",
        [],
        "Fernet keys for stored secrets, newest first. Empty: made once and kept in the data root (mode 0600).",
    ),
    Setting("STUDIO_HOST", "str", "127.0.0.1", "Address the web server listens on."),
    Setting("STUDIO_PORT", "int", 8000, "Port the web server listens on."),
    Setting("STUDIO_URL", "str", "", "Public address of this Studio, for links. Empty: http://host:port."),
    Setting("STUDIO_ALLOWED_HOSTS", "list", [], "Host names the web server answers to, besides localhost."),
    Setting("STUDIO_DEBUG", "bool", False, "Django's debug mode, for developers only."),
    Setting(
        "STUDIO_SECURE_COOKIES",
        "bool",
        False,
        "Send cookies over HTTPS only and trust X-Forwarded-Proto; set it behind a TLS proxy.",
    ),
    Setting("STUDIO_THREADS", "int", 16, "Threads of the web server's WSGI half."),
    Setting("STUDIO_CPU_WORKERS", "int", 1, "Processes that take steps from the cpu queue in the embedded set-up."),
    Setting(
        "STUDIO_WORKSPACE_LIMITS",
        "list",
        [],
        "How many steps of one workspace may run at once, by queue, e.g. gpu=1,cpu=2. Queues left out have no limit.",
    ),
    Setting("STUDIO_MAX_UPLOAD_MB", "int", 4096, "Largest file that can be uploaded."),
    Setting(
        "STUDIO_MODEL_DIRS", "list", [], "Folders from which base models may be used (folder: and gguf: references)."
    ),
    Setting(
        "STUDIO_ALLOWED_HOSTS_OUT",
        "list",
        ["127.0.0.1:11434", "localhost:11434"],
        "host:port pairs on private networks that teachers and webhooks may reach (a local Ollama is allowed by default). '*' allows all.",
    ),
    Setting(
        "STUDIO_HUB_URL",
        "str",
        "https://huggingface.co",
        "Where datasets of the hub are fetched from; a mirror on a private network must be in STUDIO_ALLOWED_HOSTS_OUT.",
    ),
    Setting(
        "STUDIO_EMAIL_URL",
        "str",
        "",
        "Mail server for notifications, e.g. smtp+tls://user:password@host:587 (also smtp://, smtps://); consolemail:// "
        "writes mails into the io worker's log. Empty: no e-mail is sent.",
    ),
    Setting(
        "STUDIO_EMAIL_FROM",
        "str",
        "",
        "Sender of these mails, e.g. Distill Studio <studio@example.org>. Empty: studio@ and the host of STUDIO_URL.",
    ),
    Setting(
        "STUDIO_LEASE_SECONDS", "int", 60, "Seconds without a heartbeat after which a job is taken from its worker."
    ),
    Setting("STUDIO_LOG_LEVEL", "str", "INFO", "Level of the Studio's own log lines."),
    Setting("STUDIO_SEED_SAMPLE", "bool", True, "Make and start the sample project on first start."),
)

_env = environ.Env()


def read(name: str) -> Any:
    """The value of a setting of the table, from the environment or its default. Raises ``StudioError`` for nonsense."""
    setting = next(s for s in SETTINGS if s.name == name)
    if setting.kind == "path":
        return Path(_env.str(name, default=str(setting.default))).expanduser().resolve()
    try:
        return getattr(_env, setting.kind)(name, default=setting.default)
    except ValueError:
        kinds = {"int": "a whole number", "bool": "true or false"}
        raise StudioError(
            f"{name} is '{os.environ.get(name)}', which is not {kinds.get(setting.kind, setting.kind)}.",
            action=f"Correct it or leave it out: {setting.help}",
        ) from None


def read_limits(name: str) -> dict[str, int]:
    """A list setting of ``queue=number`` pairs. Raises ``StudioError`` for anything else."""
    limits = {}
    for pair in read(name):
        queue, _, number = pair.partition("=")
        if queue.strip() not in ("cpu", "io", "gpu") or not number.strip().isdigit() or int(number) < 1:
            raise StudioError(
                f"{name} has '{pair}', which is no limit.", action="Write queue=number, e.g. gpu=1,cpu=2,io=4."
            )
        limits[queue.strip()] = int(number)
    return limits
