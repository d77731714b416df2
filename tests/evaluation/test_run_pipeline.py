"""``manage.py run_pipeline``: imports, runs, prints, continues, and says by its exit status how it ended."""

from __future__ import annotations

import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from pipelines.building import drafts
from pipelines.models import Pipeline, Run
from pipelines.running import runs
from pipelines.specs import spec as specs
from pipelines.watching import commandline
from studio.jobs import State
from studio.models import Workspace
from tests.pipelines.toys import CALLS, TABLE, chain
from vault import ingest


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """Specs of toy steps."""
    from studio.registries import STEPS

    monkeypatch.setattr(STEPS, "table", {**STEPS.table, **TABLE})
    CALLS.clear()


def run(tmp_path: Path, spec: dict[str, Any], *options: str) -> str:
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(spec))
    out = StringIO()
    call_command("run_pipeline", str(file), *options, stdout=out, stderr=out)
    return out.getvalue()


def test_a_spec_runs_to_its_end_and_every_step_is_told(tmp_path: Path) -> None:
    said = run(tmp_path, chain(text="a"))
    assert "make: succeeded. 3 rows made" in said
    assert "say: succeeded." in said
    assert Run.objects.get().state == State.SUCCEEDED


def test_the_same_command_again_reuses_everything(tmp_path: Path) -> None:
    run(tmp_path, chain(text="a"))
    assert "say: reused" in run(tmp_path, chain(text="a"))
    assert CALLS == ["source", "answer"]


def test_a_failure_is_told_with_what_to_do_and_the_next_command_continues(tmp_path: Path) -> None:
    out = StringIO()
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(chain(fault="user")))
    for _ in range(2):
        with pytest.raises(CommandError) as caught:
            call_command("run_pipeline", str(file), stdout=out, stderr=out)
        assert caught.value.returncode == 2
    assert "The teacher said 401. Check the key." in out.getvalue()
    assert "Continuing run 1." in out.getvalue()
    assert CALLS == ["source", "answer", "answer"]
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (chain(colour="red"), "no such parameter"),
        ({"schema": 1, "nodes": []}, "at least one node"),
        ({"schema": 7, "nodes": [{"id": "a", "step": "source"}]}, "Update the Studio"),
    ],
)
def test_a_spec_with_problems_runs_nothing_and_lists_them(tmp_path: Path, spec: dict[str, Any], expected: str) -> None:
    with pytest.raises(CommandError, match=expected):
        run(tmp_path, spec)
    assert CALLS == []


def test_a_missing_file_or_workspace_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no file"):
        run(tmp_path, chain(), "--dataset", f"x={tmp_path / 'nothing.csv'}")
    with pytest.raises(CommandError, match=r"no workspace 'attic'\. Known: main"):
        run(tmp_path, chain(), "--workspace", "attic")


def test_a_file_with_bad_rows_is_imported_on_request_only(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("question,kind\nWhat is tin?,metal\n,metal\n")
    spec = {**chain(), "imports": {"things": {"reader": "columns", "params": {"prompt": "{question}"}}}}
    with pytest.raises(CommandError, match="good"):
        run(tmp_path, spec, "--dataset", f"things={file}")
    assert "version 1, 1 rows" in run(tmp_path, spec, "--dataset", f"things={file}", "--good-rows-only")


def test_a_parameter_on_the_command_line_replaces_the_specs(tmp_path: Path) -> None:
    run(tmp_path, chain(text="a"), "--set", "say.text=b")
    step = Run.objects.get().steps.get(node="say")
    assert step.params["text"] == "b"
    with pytest.raises(CommandError, match=r"no step 'shout'\. Its steps are make, say"):
        run(tmp_path, chain(), "--set", "shout.text=b")
    with pytest.raises(CommandError, match=r"NODE\.PARAM=VALUE"):
        run(tmp_path, chain(), "--set", "text")


def test_the_command_shown_for_a_run_does_what_that_run_did(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same spec, the same dataset version although there is a newer one, the same answer: what follows is reused."""
    upload_file = tmp_path / "rows.jsonl"
    upload_file.write_text('{"prompt": "a", "completion": "b"}\n')
    ingest.import_file(upload_file, workspace=workspace, name="Letters")
    spec = {
        "schema": 1,
        "nodes": [
            {"id": "data", "step": "dataset", "params": {"dataset": "letters"}},
            {"id": "say", "step": "answer", "params": {"fault": "cap"}},
        ],
        "edges": [{"from": "data.rows", "to": "say.rows"}],
    }
    pipeline = drafts.create(workspace, name="Letters anew", spec=spec, user=None)
    Pipeline.objects.filter(pk=pipeline.pk).update(slug="other-slug")
    pipeline.refresh_from_db()
    first = runs.run_to_end(runs.start_run(runs.freeze(pipeline, user=None), user=None))
    runs.answer_step(first.steps.get(node="say"), user=None, answers={"cap": 9.0})
    assert runs.run_to_end(first).state == State.SUCCEEDED
    upload_file.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n')
    ingest.import_file(upload_file, workspace=workspace, name="Letters")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(commandline.command_of(first))
    assert words[:4] == ["python", "manage.py", "run_pipeline", "other-slug-run-1.yaml"]
    Path(words[3]).write_text(specs.dump_yaml({"name": pipeline.name, **first.version.spec}))
    out = StringIO()
    call_command(*words[2:], stdout=out, stderr=out)
    assert "1 row from version 1" in out.getvalue() and "say: reused" in out.getvalue()
    second = Run.objects.get(number=2)
    assert second.version.pipeline == pipeline
    runs.start_run(first.version, user=None)
    out = StringIO()
    call_command(*words[2:], "--force", "say", stdout=out, stderr=out)
    assert "data: reused" in out.getvalue() and "say: succeeded" in out.getvalue()
    newest = Run.objects.order_by("-number")[0]
    assert commandline.command_of(newest).endswith("--force say")


def test_a_step_to_force_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no step 'train' to force"):
        run(tmp_path, chain(), "--force", "train")
