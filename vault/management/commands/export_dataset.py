"""``manage.py export_dataset WORKSPACE/DATASET[@VERSION] --format FORMAT --out FILE``: a dataset version as a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.lib.errors import StudioError
from studio.lib.registry import close_matches
from vault import exports, rights
from vault.exporters import ROW_EXPORTERS
from vault.models import Dataset, DatasetVersion

TEXT = ("jsonl", "csv")


class Command(BaseCommand):
    """Write a dataset version to a file or to the standard output."""

    help = (
        "Write a dataset version in any export format (jsonl, which the Studio reads back as the same rows, unless said "
        "otherwise), or as a zip with its dataset card."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The version's name, the format, and where to write it."""
        parser.add_argument(
            "dataset", help="WORKSPACE/DATASET, or WORKSPACE/DATASET@VERSION (newest version when left out)"
        )
        parser.add_argument("--format", choices=exports.FORMATS, default="jsonl")
        parser.add_argument(
            "--zip", action="store_true", help="with the dataset card, and the rows that don't fit the format"
        )
        parser.add_argument("--out", type=Path, help="file to write; the standard output when left out (text formats)")
        parser.add_argument(
            "--override-terms",
            metavar="REASON",
            help="export although the rows' terms don't allow it; the reason goes to the audit trail and into the card",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Find the version and write it."""
        version = find_version(options["dataset"])
        target: Path | None = options["out"]
        try:
            if options["override_terms"]:
                rights.override(version, reason=options["override_terms"], by="operator")
            pieces = (exports.zipped if options["zip"] else exports.stream)(version, options["format"])
        except StudioError as error:
            raise CommandError(f"{error} {error.action}") from error
        exports.record_export(version, options["format"], by="operator", bundle=options["zip"])
        if target is not None:
            self._write(target, pieces, version)
        elif options["zip"] or ROW_EXPORTERS[options["format"]].suffix not in TEXT:
            raise CommandError("This is no text: give the file to write with --out.")
        else:
            for piece in pieces:
                self.stdout.write(piece.decode(), ending="")

    def _write(self, target: Path, pieces: Iterator[bytes], version: DatasetVersion) -> None:
        try:
            with target.open("wb") as out:
                out.writelines(pieces)
        except OSError as error:
            raise CommandError(f"{target} can't be written: {error.strerror}.") from error
        print(f"{version}: {version.rows:,} rows written to {target}.", file=sys.stderr)


def find_version(name: str) -> DatasetVersion:
    """The version that ``WORKSPACE/DATASET[@VERSION]`` names; raises ``CommandError`` with near names."""
    path, _, number = name.partition("@")
    workspace, _, slug = path.partition("/")
    if not slug:
        raise CommandError(f"'{name}' is not WORKSPACE/DATASET or WORKSPACE/DATASET@VERSION.")
    dataset = Dataset.objects.filter(workspace__slug=workspace, slug=slug).first()
    if dataset is None:
        known = [f"{w}/{s}" for w, s in Dataset.objects.values_list("workspace__slug", "slug")]
        raise CommandError(
            f"There is no dataset '{path}'. {close_matches(path, known) if known else 'There is none yet.'}"
        )
    found = dataset.versions.filter(number=number).first() if number.isdigit() else None if number else dataset.latest
    if found is None:
        numbers = ", ".join(str(n) for n in dataset.versions.order_by("number").values_list("number", flat=True))
        raise CommandError(f"{path} has no version '{number}'. Versions: {numbers or 'none'}.")
    return found
