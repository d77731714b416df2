"""What the browser's upload asks for, as JSON: begin or go on with a file, send a piece, ask how far it is, discard it.

The page's script speaks it; docs/concepts/vault.md describes it for other programs.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault import arrivals
from vault.arrivals import Arrival
from vault.store import DiskFull


@role_required("editor")
@require_POST
def begin(request: WorkspaceRequest) -> HttpResponseBase:
    """Say which file comes (``name``, ``size`` in bytes, ``mark``: anything that tells it from others of that name)."""
    name, size, mark = (request.POST.get(field, "").replace("\0", "") for field in ("name", "size", "mark"))
    if not name or not size.isdigit() or len(size) > 15:
        return refusal(StudioError("A file needs a name and a size.", action="Send both."), HTTPStatus.BAD_REQUEST)
    try:
        found = arrivals.open_arrival(request.workspace, request.user, name=name[:255], size=int(size), mark=mark[:300])
    except StudioError as error:
        return refusal(error)
    return JsonResponse(state(request, found))


@role_required("editor")
@require_http_methods(["GET", "HEAD", "POST"])
def piece(request: WorkspaceRequest, key: str) -> HttpResponseBase:
    """GET: how much is here. POST: the piece (the request's body) at ``?offset=``, with its CRC-32 in ``?crc32=`` (hex)."""
    found = get_arrival(request, key)
    if request.method != "POST":
        return JsonResponse(state(request, found))
    offset, checksum = request.GET.get("offset", ""), request.GET.get("crc32", "")
    try:
        place, expected = int(offset), int(checksum, 16)
    except ValueError:
        return refusal(
            StudioError("A piece needs an offset and a checksum.", action="Send both."), HTTPStatus.BAD_REQUEST
        )
    data = request.read(arrivals.PIECE + 1)
    if len(data) > arrivals.PIECE:
        return refusal(StudioError(f"A piece has at most {arrivals.PIECE:,} bytes.", action="Send smaller ones."))
    try:
        received = arrivals.append(found, offset=place, data=data, checksum=expected)
    except arrivals.Misplaced as error:
        return refusal(error, HTTPStatus.CONFLICT, received=error.received)
    except StudioError as error:
        return refusal(error)
    return JsonResponse({"id": found.id, "received": received, "size": found.size})


@role_required("editor")
@require_POST
def discard(request: WorkspaceRequest, key: str) -> HttpResponse:
    """Forget what came of a file."""
    found = get_arrival(request, key)
    arrivals.drop(found)
    messages.info(request, f"What had arrived of {found.name} was deleted.")
    return redirect("upload_new", request.workspace.slug)


def get_arrival(request: WorkspaceRequest, key: str) -> Arrival:
    """One of this person's files on its way, or 404."""
    found = arrivals.find_arrival(request.workspace, request.user, key)
    if found is None:
        raise Http404("This file is not on its way.")
    return found


def state(request: WorkspaceRequest, found: Arrival) -> dict[str, Any]:
    """Where a file stands."""
    return {
        "id": found.id,
        "received": found.received,
        "size": found.size,
        "piece": arrivals.PIECE,
        "url": reverse("arrival", args=[request.workspace.slug, found.id]),
    }


def refusal(error: StudioError, status: int = HTTPStatus.UNPROCESSABLE_ENTITY, **more: Any) -> JsonResponse:
    """Why something was not taken, in words."""
    if isinstance(error, DiskFull):
        status = HTTPStatus.INSUFFICIENT_STORAGE
    return JsonResponse({"error": str(error), "action": error.action, **more}, status=status)
