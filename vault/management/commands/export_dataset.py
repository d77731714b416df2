"""``manage.py export_dataset WORKSPACE/DATASET[@VERSION] --out FILE``: a dataset version as JSON lines or CSV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.lib.errors import StudioError
from studio.lib.registry import close_matches
from vault import exports, store
from vault.models import Dataset, DatasetVersion


class Command(BaseCommand):
    """Write a dataset version to a file or to the standard output."""

    help = "Write a dataset version as JSON lines (which the Studio reads back as the same rows) or CSV."

    def add_arguments(self, parser: CommandParser) -> None:
        """The version's name and where to write it."""
        parser.add_argument(
            "dataset", help="WORKSPACE/DATASET, or WORKSPACE/DATASET@VERSION (newest version when left out)"
        )
        parser.add_argument("--format", choices=exports.FORMATS, default="jsonl")
        parser.add_argument("--out", type=Path, help="file to write; the standard output when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Find the version and write it."""
        version = find_version(options["dataset"])
        try:
            folder = store.path(version.artifact)
        except StudioError as error:
            raise CommandError(f"{error} {error.action}") from error
        target: Path | None = options["out"]
        if target is None:
            for line in exports.lines(folder, options["format"]):
                self.stdout.write(line, ending="")
            return
        try:
            with target.open("w", encoding="utf-8", newline="") as out:
                out.writelines(exports.lines(folder, options["format"]))
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
