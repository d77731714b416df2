"""How an uploaded file reaches the disk: streamed into scratch, hashed and counted on the way, stopped at the limits."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest

from studio.lib.disk import is_disk_full
from studio.lib.errors import StudioError
from vault.store import DiskFull

if TYPE_CHECKING:
    from vault.arrivals import Received

SPARE = 64 << 20
"""Bytes that stay free on the disk whatever is uploaded."""


class ScratchUploadHandler(FileUploadHandler):
    """Writes each uploaded file to a temporary file whose ``sha256`` and ``line_count`` are known when it is complete.

    A file over ``MAX_UPLOAD_BYTES`` or over the free disk is dropped and the reason kept: see :func:`problem`.
    """

    chunk_size = 1 << 20
    file: Any

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: Any, encoding: str | None = None
    ) -> None:
        """Remember how large the request says it is."""
        self.announced = content_length

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open the temporary file, or refuse a request that is too large before writing a byte."""
        super().new_file(*args, **kwargs)
        folder = settings.DATA_ROOT / "scratch" / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        if self.announced > settings.MAX_UPLOAD_BYTES:
            self._stop(too_large(self.announced))
        if self.announced > shutil.disk_usage(folder).free - SPARE:
            self._stop(DiskFull())
        self.digest = hashlib.sha256()
        self.line_count = 0
        try:
            self.file = TemporaryUploadedFile(
                self.file_name or "file", self.content_type, 0, self.charset, self.content_type_extra
            )
        except OSError as error:
            self._failed(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write one piece."""
        if start + len(raw_data) > settings.MAX_UPLOAD_BYTES:
            self._stop(too_large(start + len(raw_data)))
        self.digest.update(raw_data)
        self.line_count += raw_data.count(b"\n")
        try:
            self.file.write(raw_data)
        except OSError as error:
            self._failed(error)

    def file_complete(self, file_size: int) -> UploadedFile[Any]:
        """The finished file, at its start."""
        try:
            self.file.flush()
        except OSError as error:
            self._failed(error)
        self.file.seek(0)
        self.file.size = file_size
        self.file.sha256 = self.digest.hexdigest()
        self.file.line_count = self.line_count
        return self.file  # type: ignore[no-any-return]

    def upload_interrupted(self) -> None:
        """The browser went away: drop what came."""
        if hasattr(self, "file"):
            self.file.close()

    def _failed(self, error: OSError) -> None:
        if not is_disk_full(error):
            raise error
        self._stop(DiskFull())

    def _stop(self, reason: StudioError) -> None:
        if hasattr(self, "file"):
            self.file.close()
        self.request.upload_problem = reason  # type: ignore[union-attr]
        raise StopUpload(connection_reset=False)


def too_large(size: int) -> StudioError:
    """The error for a file above the limit."""
    limit = settings.MAX_UPLOAD_BYTES
    return StudioError(
        f"The file is too large: {size / 1e6:,.0f} MB arrived, and the limit is {limit / 1e6:,.0f} MB.",
        action="Split the file, or ask the operator to raise STUDIO_MAX_UPLOAD_MB.",
    )


def received(file: Any) -> Received:
    """A file that :class:`ScratchUploadHandler` took."""
    from vault.arrivals import Received

    return Received(Path(file.temporary_file_path()), file.name, file.size, file.sha256, file.line_count)


def problem(request: HttpRequest) -> StudioError | None:
    """Why a file of this request was dropped, or None."""
    return getattr(request, "upload_problem", None)
