"""Django settings. What an operator may change is in ``studio.conf``; the rest is fixed here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
import structlog
from csp.constants import NONE, SELF

from studio import conf, keys

BASE_DIR = conf.BASE_DIR
DATA_ROOT: Path = conf.read("STUDIO_DATA_ROOT")
TESTING = "pytest" in sys.modules

SECRET_KEY = conf.read("STUDIO_SECRET_KEY") or keys.load_or_make(
    DATA_ROOT / "keys" / "django.key", keys.make_django_key
)
ENCRYPTION_KEYS: list[str] = conf.read("STUDIO_ENCRYPTION_KEYS") or [
    keys.load_or_make(DATA_ROOT / "keys" / "secrets.key", keys.make_fernet_key)
]
DEBUG = conf.read("STUDIO_DEBUG")
HOST = conf.read("STUDIO_HOST")
PORT = conf.read("STUDIO_PORT")
STUDIO_URL = conf.read("STUDIO_URL") or f"http://{HOST}:{PORT}"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", HOST, *conf.read("STUDIO_ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = [STUDIO_URL]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
    "csp",
    "django_htmx",
    "django_cotton.apps.SimpleAppConfig",
    "template_partials.apps.SimpleAppConfig",
    "studio",
    "vault",
    "pipelines",
    "evaluation",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "studio.polling.skip_unchanged",
    "axes.middleware.AxesMiddleware",
    "studio.middleware.ProblemPage",
]

ROOT_URLCONF = "studio.urls"
WSGI_APPLICATION = "studio.wsgi.application"
ASGI_APPLICATION = "studio.asgi.application"

# django-cotton's and template-partials' own set-ups overwrite each other, so the loaders are listed by hand.
_LOADERS: list[Any] = [
    "django_cotton.cotton_loader.Loader",
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    _LOADERS if DEBUG else [("django.template.loaders.cached.Loader", _LOADERS)],
                )
            ],
            "builtins": [
                "django_cotton.templatetags.cotton",
                "template_partials.templatetags.partials",
                "studio.templatetags.ui",
                "studio.templatetags.charts",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "studio.access.navigation",
            ],
        },
    }
]

SQLITE_OPTIONS = {
    # Without IMMEDIATE most contended read-then-write transactions fail with "database is locked".
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # FULL: an answer that was paid for is on the disk before its slot asks the next question, power cut or not.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
}
_database_url = conf.read("STUDIO_DATABASE_URL")
DATABASES: dict[str, Any] = {
    "default": environ.Env.db_url_config(_database_url)
    if _database_url
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_ROOT / "studio.sqlite3", "OPTIONS": SQLITE_OPTIONS}
}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_VERBOSE = False

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = conf.read("STUDIO_SECURE_COOKIES")
if SESSION_COOKIE_SECURE:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = DATA_ROOT / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = DEBUG or TESTING

MAX_UPLOAD_BYTES = conf.read("STUDIO_MAX_UPLOAD_MB") * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["vault.uploads.ScratchUploadHandler"]
FILE_UPLOAD_TEMP_DIR = DATA_ROOT / "scratch" / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)

MODEL_DIRS = [Path(d).resolve() for d in conf.read("STUDIO_MODEL_DIRS")]
ALLOWED_HOSTS_OUT: list[str] = conf.read("STUDIO_ALLOWED_HOSTS_OUT")
HUB_URL: str = conf.read("STUDIO_HUB_URL").rstrip("/")
EMAIL_URL: str = conf.read("STUDIO_EMAIL_URL")
"""Blank: no e-mail is sent, and the pages say so."""
_mail = environ.Env.email_url_config(EMAIL_URL or "dummymail://")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail.get("EMAIL_HOST") or "localhost", _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_USER") or "", _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = conf.read("STUDIO_EMAIL_FROM") or f"Distill Studio <studio@{urlsplit(STUDIO_URL).hostname}>"

LEASE_SECONDS = conf.read("STUDIO_LEASE_SECONDS")
WORKSPACE_LIMITS = conf.read_limits("STUDIO_WORKSPACE_LIMITS")
SEED_SAMPLE = conf.read("STUDIO_SEED_SAMPLE")

SHARED_POLL_SECONDS = 0.0 if TESTING else 1.0
"""How long an answer that many people poll is shared among them; see ``studio.polling.share``."""

REDIS_URL = conf.read("STUDIO_REDIS_URL")
RING = not TESTING
"""Whether a ready job is announced to the broker. A headless run turns it off and runs its steps itself."""
CELERY_BROKER_URL = REDIS_URL or f"filesystem://localhost/{DATA_ROOT}"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"visibility_timeout": 7 * 24 * 3600}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_BEAT_SCHEDULE = {
    "reap": {"task": "studio.tasks.reap", "schedule": 10.0, "options": {"queue": "clock", "expires": 10}},
    "forget": {"task": "studio.tasks.forget", "schedule": 24 * 3600.0, "options": {"queue": "io", "expires": 3600}},
    "gates": {"task": "evaluation.tasks.wake_gates", "schedule": 30.0, "options": {"queue": "clock", "expires": 30}},
    "sign-offs": {
        "task": "evaluation.tasks.settle_sign_offs",
        "schedule": 600.0,
        "options": {"queue": "clock", "expires": 600},
    },
    "schedules": {
        "task": "pipelines.tasks.start_scheduled",
        "schedule": 15.0,
        "options": {"queue": "clock", "expires": 15},
    },
    "sweep": {"task": "vault.tasks.sweep", "schedule": 24 * 3600.0, "options": {"queue": "io", "expires": 3600}},
}
if CELERY_BROKER_URL.startswith("filesystem://"):
    _mailbox = DATA_ROOT / "broker"
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_mailbox),
        "data_folder_out": str(_mailbox),
        "control_folder": str(_mailbox / "control"),
    }

LOG_LEVEL = conf.read("STUDIO_LOG_LEVEL")
_shared_processors: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared_processors,
            # plain_traceback prints no local variables: a provider key must never reach the log.
            "processor": structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {name: {"level": LOG_LEVEL} for name in ("studio", "vault", "pipelines", "evaluation", "celery.worker")},
}
structlog.configure(
    processors=[*_shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)

if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    AXES_ENABLED = False
