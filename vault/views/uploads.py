"""From a file to a version, page by page: choose the file, map it with a live preview, watch the import, see what was refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from pydantic import ValidationError

from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.lib.params import problems as param_problems
from studio.registries import READERS
from vault import arrivals, ingest, receiving, scan
from vault.arrivals import Arrival, Received
from vault.forms import Mapping, UploadForm, mapping_values
from vault.models import Dataset, Upload
from vault.problems import LIMIT, as_csv, read_problems
from vault.readers import ReaderError, RowError
from vault.store import DiskFull
from vault.uploads import problem as upload_problem
from vault.uploads import received
from vault.views.downloads import TYPES, attachment

PROBLEMS_PAGE = 100
FILES = 1_000
"""Most files in one upload."""
SCAN_SECONDS = 20.0
"""How long a file is read for the list of its problems before it is imported."""


@role_required("editor")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: WorkspaceRequest) -> HttpResponse:
    """Choose files and a name. The page's script sends the files beforehand and names them in ``arrived``."""
    if request.method != "POST":
        form = UploadForm(initial={"name": request.GET.get("name", ""), "together": "one"})
        return render(request, "vault/upload.html", new_context(request, form))
    form = UploadForm(request.POST)
    sent = request.FILES.getlist("file")
    stopped: StudioError | None = upload_problem(request)
    if stopped is None and form.is_valid():
        try:
            found = [received(file) for file in sent]
            arrived = take_arrivals(request)
            if not found and not arrived:
                return redirect_to_taken(request, form)
            upload = draft(request, form, [*found, *(arrivals.finish(item) for item in arrived)], arrived)
            return redirect("upload", request.workspace.slug, upload.pk)
        except StudioError as error:
            stopped = error
    return render(request, "vault/upload.html", new_context(request, form, problem=stopped), status=422)


def new_context(request: WorkspaceRequest, form: UploadForm, problem: StudioError | None = None) -> dict[str, Any]:
    """What the upload page shows: the form, what went wrong, and files that arrived in part."""
    return {"form": form, "problem": problem, "arrivals": arrivals.list_arrivals(request.workspace, request.user)[:20]}


def take_arrivals(request: WorkspaceRequest) -> list[Arrival]:
    """The files that came beforehand, without those that were used meanwhile (a second click)."""
    keys = request.POST.getlist("arrived")[:FILES]
    found = [arrivals.find_arrival(request.workspace, request.user, key) for key in keys]
    return [arrival for arrival in found if arrival is not None]


def redirect_to_taken(request: WorkspaceRequest, form: UploadForm) -> HttpResponse:
    """Where a form leads whose files were taken by an earlier click of the same form; otherwise, that it has none."""
    keys = set(request.POST.getlist("arrived"))
    mine = Upload.objects.filter(workspace=request.workspace, created_by_id=request.user.pk).order_by("-created_at")[
        :50
    ]
    before = next((upload for upload in mine if keys & set(upload.findings.get("arrivals", []))), None)
    if before is not None:
        return redirect("upload", request.workspace.slug, before.pk)
    text = "Its pieces are not here any more" if keys else "There is no file"
    error = StudioError(f"{text}.", action="Choose a file with rows: a table, JSON or JSON lines.")
    return render(request, "vault/upload.html", new_context(request, form, problem=error), status=422)


def draft(request: WorkspaceRequest, form: UploadForm, files: list[Received], arrived: list[Arrival]) -> Upload:
    """Drafts of the files; the first of them. What arrived in pieces is deleted once they are kept, or refused."""
    name = form.cleaned_data["name"].strip() or PurePath(files[0].name).stem[:120] or "Dataset"
    together = form.cleaned_data["together"] == "one"
    if not together and len(files) > 1:
        name = form.cleaned_data["name"].strip()
    try:
        made = receiving.receive(
            files,
            workspace=request.workspace,
            name=name,
            user=request.user,
            together=together,
            arrivals=[arrival.id for arrival in arrived],
        )
    except DiskFull:
        raise
    except StudioError:
        discard_arrivals(arrived)
        raise
    discard_arrivals(arrived)
    return made[0]


def discard_arrivals(arrived: list[Arrival]) -> None:
    """Delete what came in pieces."""
    for arrival in arrived:
        arrivals.drop(arrival)


def get_upload(request: WorkspaceRequest, pk: Any) -> Upload:
    """One of the workspace's uploads, or 404."""
    return get_object_or_404(
        Upload.objects.select_related("workspace", "version__dataset__workspace"), workspace=request.workspace, pk=pk
    )


def is_draft(upload: Upload) -> bool:
    """Whether nobody said "import" yet."""
    return upload.state == State.PENDING and not upload.ready


@role_required("viewer")
@require_safe
def show(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """The mapping of a draft, or the progress and result of an import."""
    upload = get_upload(request, pk)
    if is_draft(upload):
        if not request.membership.at_least("editor"):
            return render(request, "vault/progress.html", {"upload": upload, "draft": True})
        return render(request, "vault/mapping.html", mapping_context(upload, request.GET))
    context = {"upload": upload, "problems": list(read_problems(ingest.problems_path(upload), size=10))}
    return render(request, "vault/progress.html#status" if request.htmx else "vault/progress.html", context)


@role_required("editor")
@require_safe
def preview(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """The first rows as they will become under the mapping in the address; the whole page without htmx."""
    upload = get_upload(request, pk)
    if not is_draft(upload):
        return redirect("upload", request.workspace.slug, upload.pk)
    context = mapping_context(upload, request.GET)
    return render(request, "vault/mapping.html#preview" if request.htmx else "vault/mapping.html", context)


@role_required("editor")
@require_safe
def preview_problems(request: WorkspaceRequest, pk: Any) -> HttpResponseBase:
    """Every problem that the mapping in the address would have, as CSV: of the whole file, or as far as 20 seconds go."""
    upload = get_upload(request, pk)
    found: list[RowError] = []

    def keep(problem: RowError) -> None:
        if len(found) < LIMIT:
            found.append(problem)

    if is_draft(upload):
        context = mapping_context(upload, request.GET, seconds=SCAN_SECONDS, on_problem=keep)
        if "preview" not in context:
            return redirect("upload", request.workspace.slug, upload.pk)
    return attachment(as_csv(found, upload.file_name), name="problems.csv", content_type=TYPES["csv"])


def mapping_context(
    upload: Upload, data: QueryDict, *, seconds: float = 2.0, on_problem: Callable[[RowError], None] | None = None
) -> dict[str, Any]:
    """The mapping form and the preview for what was typed (or, before anything was, for what was guessed)."""
    name = data.get("reader") or upload.reader
    if name not in READERS:
        name = upload.reader
    reader = READERS[name]()
    path = ingest.source_path(upload)
    typed = "typed" in data and data.get("typed") == name
    context: dict[str, Any] = {
        "upload": upload,
        "reader": name,
        "readers": [(key, cls.label, cls.description) for key, cls in READERS.items()],
        "dataset": Dataset.objects.filter(
            workspace=upload.workspace, slug=ingest.dataset_slug(upload.dataset_name)
        ).first(),
        "good_rows_only": data.get("good_rows_only") == "on",
        "others": receiving.batch_of(upload),
        "also_others": data.get("also_others") == "on",
        "query": data.urlencode(),
    }
    try:
        values = mapping_values(READERS[name], data) if typed else reader.suggest(path)
    except (ReaderError, FileNotFoundError) as error:
        values, context["problem"] = {}, as_problem(error)
    form = Mapping(READERS[name], [], values)
    context["form"] = form
    try:
        params = READERS[name].Params(**values)
        form.columns = reader.columns(path, params)
        form.errors = dict(reader.problems(path, params))
        if not form.errors and "problem" not in context:
            context["preview"] = scan.preview(
                path, reader, params, seconds=seconds, file_name=upload.file_name, on_problem=on_problem
            )
            context["params"] = params
    except ValidationError as error:
        form.errors = dict(param_problems(error))
    except (ReaderError, FileNotFoundError) as error:
        context["problem"] = as_problem(error)
    return context


def as_problem(error: ReaderError | FileNotFoundError) -> StudioError:
    """The error to show when a file can't be read, or is not there any more."""
    if isinstance(error, ReaderError):
        return error
    return StudioError("The uploaded file is not on this machine any more.", action="Upload it again.")


@role_required("editor")
@require_POST
def start(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Import with this mapping."""
    upload = get_upload(request, pk)
    if is_draft(upload):
        data = request.POST.copy()
        data["typed"] = data.get("reader", "")
        context = mapping_context(upload, data)
        if "params" not in context:
            return render(request, "vault/mapping.html", context, status=422)
        started = [upload, *(context["others"] if context["also_others"] else [])]
        for one in started:
            start_one(request, one, context)
        waiting = [one for one in context["others"] if is_draft(one)]
        if waiting:
            messages.info(request, f"{upload.file_name} is being imported. The next file waits for its mapping.")
            return redirect("upload", request.workspace.slug, waiting[0].pk)
    return redirect("upload", request.workspace.slug, upload.pk)


def start_one(request: WorkspaceRequest, upload: Upload, context: dict[str, Any]) -> None:
    """Import one file with the mapping of the page, when it fits that file."""
    reader, params = context["reader"], context["params"]
    try:
        if upload.reader != reader and upload.pk != context["upload"].pk:
            raise ReaderError("It is of another kind.", action="")
        if READERS[reader]().problems(ingest.source_path(upload), params):
            raise ReaderError("It has other columns.", action="")
    except (ReaderError, FileNotFoundError) as error:
        messages.warning(request, f"The mapping does not fit {upload.file_name}: {error}")
        return
    ingest.start(upload, reader=reader, params=params, good_rows_only=context["good_rows_only"])


@role_required("editor")
@require_POST
def accept(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Go on with the good rows only."""
    upload = get_upload(request, pk)
    if not ingest.accept_good_rows(upload):
        messages.info(request, "The import was not waiting for an answer any more.")
    return redirect("upload", request.workspace.slug, upload.pk)


@role_required("editor")
@require_POST
def cancel(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Stop an import, or drop a draft with its file."""
    upload = get_upload(request, pk)
    draft = is_draft(upload)
    upload.request_cancel()
    if upload.state == State.CANCELLED:
        ingest.discard(upload)
    if draft:
        messages.info(request, f"The upload of {upload.file_name} was discarded.")
        return redirect("vault", request.workspace.slug)
    return redirect("upload", request.workspace.slug, upload.pk)


@role_required("editor")
@require_POST
def retry(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Try a failed import again."""
    upload = get_upload(request, pk)
    if upload.state == State.FAILED and upload.retry():
        upload.ring()
    return redirect("upload", request.workspace.slug, upload.pk)


@role_required("editor")
@require_POST
def dismiss(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Forget a failed import, so that it waits for nobody any more."""
    upload = get_upload(request, pk)
    if not ingest.dismiss(upload):
        return redirect("upload", request.workspace.slug, upload.pk)
    messages.info(request, f"The failed import of {upload.file_name} was dismissed.")
    return redirect("vault", request.workspace.slug)


@role_required("viewer")
@require_safe
def problems(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Every refused line, page by page."""
    upload = get_upload(request, pk)
    text = request.GET.get("start", "0")
    begin = int(text) if text.isdigit() and len(text) < 10 else 0
    found = list(read_problems(ingest.problems_path(upload), start=begin, size=PROBLEMS_PAGE + 1))
    here = reverse("upload_problems", args=[request.workspace.slug, upload.pk])
    context = {
        "upload": upload,
        "problems": found[:PROBLEMS_PAGE],
        "first": begin + 1,
        "last": begin + min(len(found), PROBLEMS_PAGE),
        "limit": LIMIT,
        "previous": f"{here}?start={max(begin - PROBLEMS_PAGE, 0)}" if begin else "",
        "next": f"{here}?start={begin + PROBLEMS_PAGE}" if len(found) > PROBLEMS_PAGE else "",
    }
    return render(request, "vault/problems.html", context)
