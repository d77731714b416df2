"""``manage.py run_pipeline SPEC.yaml --dataset NAME=FILE``: the whole path in one process, without web server or broker."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.text import slugify

from evaluation.models import Scorecard
from evaluation.report import text as report_text
from evaluation.report.scorecards import read_report, scorecard_of
from pipelines.building import drafts, overrides
from pipelines.models import Force, Run, StepRun
from pipelines.running import codes, runs
from pipelines.specs import spec as specs
from studio.accounts import ensure_workspace
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import Workspace
from vault import ingest, store


def named_file(text: str) -> tuple[str, Path]:
    """``NAME=FILE`` as its parts."""
    name, separator, file = text.partition("=")
    if not separator or not name or not file:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=FILE")
    return name, Path(file)


def named_value(text: str) -> tuple[str, str, Any]:
    """``NODE.PARAM=VALUE`` as its parts; the value is read as YAML (numbers, true, lists)."""
    place, separator, value = text.partition("=")
    node, dot, name = place.partition(".")
    if not (separator and dot and node and name):
        raise argparse.ArgumentTypeError(f"'{text}' is not NODE.PARAM=VALUE")
    try:
        return node, name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise argparse.ArgumentTypeError(f"The value of '{text}' can't be read as YAML") from None


def as_given(spec: specs.Spec, values: Sequence[tuple[str, str, Any]]) -> dict[str, dict[str, Any]]:
    """``NODE.PARAM=VALUE`` triples as values of one run. Raises ``StudioError`` for an unknown node."""
    known = [node.id for node in spec.nodes]
    given: dict[str, dict[str, Any]] = {}
    for name, param, value in values:
        if name not in known:
            raise StudioError(f"The spec has no step '{name}'.", action=f"Its steps are {', '.join(known)}.")
        given.setdefault(name, {})[param] = value
    return overrides.differences(spec, given)


class Command(BaseCommand):
    """See the module's docstring."""

    help = (
        "Run a pipeline spec to its end in this process. The same command again continues where it stopped, and reuses "
        "every step whose spec, data and code have not changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Spec file, datasets, workspace."""
        parser.add_argument("spec", type=Path, help="a spec in YAML or JSON")
        parser.add_argument(
            "--dataset",
            type=named_file,
            action="append",
            default=[],
            metavar="NAME=FILE",
            help="import FILE as the dataset NAME (its mapping stands under 'imports' in the spec); may be given often",
        )
        parser.add_argument(
            "--good-rows-only", action="store_true", help="import the good rows of a file that also has bad ones"
        )
        parser.add_argument(
            "--set",
            type=named_value,
            action="append",
            default=[],
            metavar="NODE.PARAM=VALUE",
            help="use this value instead of the spec's in this run, for example student.epochs=3; may be given often",
        )
        parser.add_argument(
            "--force",
            action="append",
            default=[],
            metavar="NODE",
            help="do this step although an earlier result fits, using the teacher's answers that are kept; may be given often",
        )
        parser.add_argument(
            "--ask-anew",
            action="append",
            default=[],
            metavar="NODE",
            help="do this step again and ask (and pay) the teacher anew for every answer; may be given often",
        )
        parser.add_argument("--pipeline", default="", help="slug of the pipeline (default: made from the spec's name)")
        parser.add_argument("--workspace", default="main", help="slug of the workspace (default: main)")
        parser.add_argument("--out", type=Path, help="copy the report and the exported files to this folder")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, start or continue, follow, print, and say with the exit status how it ended."""
        settings.RING = False
        call_command("migrate", verbosity=0, interactive=False)
        ensure_workspace()
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            known = ", ".join(Workspace.objects.values_list("slug", flat=True))
            raise CommandError(f"There is no workspace '{options['workspace']}'. Known: {known}.")
        try:
            run = self._prepare(options, workspace)
        except specs.SpecError as error:
            raise CommandError("The spec can't run:\n" + "\n".join(f"  - {p}" for p in error.problems)) from None
        except (StudioError, OSError) as error:
            raise CommandError(f"{error} {getattr(error, 'action', '')}".strip()) from None
        self._follow(run)
        self._conclude(run, options["out"])

    def _prepare(self, options: dict[str, Any], workspace: Workspace) -> Run:
        path: Path = options["spec"]
        document = specs.load_text(path.read_bytes().decode("utf-8", "replace"))
        spec = specs.parse(document)
        given = as_given(spec, options["set"])
        imports = document.get("imports") or {}
        for name, file in options["dataset"]:
            mapping = imports.get(name) or {}
            dataset = ingest.import_file(
                file,
                workspace=workspace,
                name=name,
                reader=mapping.get("reader") or "",
                params=mapping.get("params"),
                good_rows_only=options["good_rows_only"],
            )
            self.stdout.write(f"Dataset {name}: version {dataset.number}, {dataset.rows:,} rows.")
        name = str(document.get("name") or path.stem)
        slug = options["pipeline"] or slugify(name)[:80] or "pipeline"
        pipeline = drafts.save_by_slug(workspace, slug=slug, name=name, spec=spec)
        version = runs.freeze(pipeline, user=None, message=f"From {path.name}", given=given)
        force = dict.fromkeys(options["force"], Force.AGAIN) | dict.fromkeys(options["ask_anew"], Force.ANEW)
        newest = next((run for run in version.runs.order_by("-number") if run.given == given), None)
        if newest is not None and not force and can_continue(newest):
            self.stdout.write(f"Continuing run {newest.number}.")
            runs.retry_run(newest, user=None)
            return newest
        run = runs.start_run(version, user=None, force=force, given=given)
        self.stdout.write(f"Started run {run.number}.")
        return run

    def _follow(self, run: Run) -> None:
        follower = Follower(self, run)
        try:
            runs.run_to_end(run, on_change=follower.show, on_progress=follower.progress)
        except StudioError as error:
            raise CommandError(f"{error} {error.action}".strip()) from None
        except KeyboardInterrupt:
            self.stderr.write("\nStopped. Nothing is lost: the same command continues from here.")
            sys.exit(130)

    def _conclude(self, run: Run, out: Path | None) -> None:
        run.refresh_from_db()
        for step in run.steps.filter(state__in=(State.FAILED, State.WAITING)):
            self.stderr.write(
                self.style.ERROR(f"{step.node} {step.get_state_display().lower()}: {step.error} {step.action}")
            )
            if step.trace:
                self.stderr.write(step.trace)
        for card in run_scorecards(run):
            self.stdout.write("")
            self.stdout.write(report_text.render(read_report(card.report)))
        if out is not None:
            self._copy_results(run, out)
        if run.state != State.SUCCEEDED:
            raise CommandError(f"Run {run.number} {run.get_state_display().lower()}.", returncode=2)

    def _copy_results(self, run: Run, out: Path) -> None:
        import shutil

        for step in run.steps.prefetch_related("outputs__artifact"):
            for output in step.outputs.all():
                if output.artifact.kind in {"report", "gguf"}:
                    target = out / step.node
                    shutil.copytree(store.path(output.artifact), target, dirs_exist_ok=True)
                    self.stdout.write(f"Copied {output.artifact.kind} to {target}.")


def can_continue(run: Run) -> bool:
    """Whether a run that has not succeeded is gone on with: it would read the same, and this code is the one it began with."""
    left = run.steps.exclude(state=State.SUCCEEDED)
    return run.state != State.SUCCEEDED and runs.sources_unchanged(run) and all(codes.fits(step) for step in left)


def run_scorecards(run: Run) -> list[Scorecard]:
    """Scorecards of a run's steps, also of those reused from an earlier run."""
    return [card for step in run.steps.all() if (card := scorecard_of(step))]


class Follower:
    """Prints what changed after each step, and the progress within one."""

    def __init__(self, command: BaseCommand, run: Run) -> None:
        self.out, self.run = command.stdout, run
        self.seen: set[Any] = set(run.steps.filter(finished_at__isnull=False).values_list("pk", flat=True))
        self.begun = self.last_line = time.monotonic()

    def show(self, run: Run) -> None:
        """One line for every step that has ended since the last look."""
        for step in StepRun.objects.filter(run=run, finished_at__isnull=False).order_by("finished_at"):
            if step.pk not in self.seen:
                self.seen.add(step.pk)
                headline = step.summary.get("headline", "")
                how = "reused" if step.reused_from_id else step.get_state_display().lower()
                self._write(f"{step.node}: {how}. {headline}")

    def progress(self, step: StepRun) -> None:
        """A line about the running step, in place on a terminal, else every 15 seconds."""
        terminal = self.out.isatty()
        if not terminal and time.monotonic() - self.last_line < 15:
            return
        total = f" of {step.progress_total:,}" if step.progress_total else ""
        rate = f", {step.rate:.1f}/s" if step.rate else ""
        left = f", {step.seconds_left / 60:.1f} min left" if step.seconds_left else ""
        note = f" ({step.progress_note})" if step.progress_note else ""
        self._write(f"{step.node}: {step.progress_done:,}{total} {step.progress_unit}{rate}{left}{note}", stay=terminal)

    def _write(self, text: str, *, stay: bool = False) -> None:
        self.last_line = time.monotonic()
        line = f"[{self.last_line - self.begun:7.1f} s] {text}"
        if self.out.isatty():
            self.out.write("\r\033[K" + line, ending="" if stay else "\n")
        else:
            self.out.write(line)
        self.out.flush()
