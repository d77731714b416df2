"""The web server's entry point: Django's WSGI application behind an ASGI bridge.

Sync views through plain Django-ASGI are several times slower (one thread and one database connection per request); the
bridge keeps a pool of threads with warm connections.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

from studio import conf
from studio.gate import limit_pages

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_wsgi = WSGIMiddleware(limit_pages(get_wsgi_application()), workers=conf.read("STUDIO_THREADS"))  # type: ignore[arg-type]

from studio import warming  # noqa: E402 (these need Django to be set up)
from studio.workers import code_version  # noqa: E402

code_version()  # of the code that is loaded now, not of what an update may put here later


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve HTTP through the WSGI application and answer the server's start and stop messages."""
    if scope["type"] == "http":
        await _wsgi(scope, receive, send)  # type: ignore[arg-type]
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await send({"type": "websocket.close", "code": 1000})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            warming.begin()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
