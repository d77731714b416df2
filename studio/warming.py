"""What a web server does once, beside its first requests, so that no later one waits for it.

The templates are compiled and the libraries that pages need are loaded. Then Python is told to look no more for garbage among the
half a million objects that stay anyway: a full search for it stopped every thread for 120 ms at about every sixth page.
"""

from __future__ import annotations

import gc
import importlib
import threading
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template
from django.urls import get_resolver

log = structlog.get_logger(__name__)

LIBRARIES = ("duckdb", "numpy", "pyarrow.compute", "pyarrow.parquet")
NEW_OBJECTS = 10_000
"""Python looks through the newest objects after so many (700 by itself): about once or twice a page."""


def begin() -> threading.Thread:
    """Get ready in a thread of its own; the server answers meanwhile."""
    thread = threading.Thread(target=get_ready, name="warming", daemon=True)
    thread.start()
    return thread


def get_ready() -> None:
    """Load what pages need, then leave it out of every search for garbage."""
    load()
    settle()


def load() -> None:
    """The addresses, the libraries and, where they are kept once compiled, the templates. A template that is broken is named in
    the log, and in an error when its page is asked for."""
    _ = get_resolver().url_patterns
    for name in LIBRARIES:
        importlib.import_module(name)
    _hand_over_a_column()
    if settings.DEBUG:
        return
    for name in template_names():
        try:
            get_template(name)
        except (TemplateDoesNotExist, TemplateSyntaxError) as error:
            log.warning("a template could not be compiled", template=name, problem=str(error))


def _hand_over_a_column() -> None:
    """Arrow's columns become numpy's: the first one loads pandas, where that is installed."""
    import pyarrow as pa

    pa.chunked_array([[0]]).to_numpy()


def template_names() -> list[str]:
    """Every page of the Studio's own folders."""
    engines: list[dict[str, Any]] = settings.TEMPLATES
    folders = [Path(folder) for engine in engines for folder in engine["DIRS"]]
    return sorted(str(file.relative_to(folder)) for folder in folders for file in folder.rglob("*.html"))


def settle() -> None:
    """What is there now stays: it is not looked through again. New objects are looked through as ever, in larger lots."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
