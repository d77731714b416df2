"""A run as it is seen: its picture, its tabs, its steps in a drawer, and what a poll costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from pipelines.building import drafts
from pipelines.models import MetricPoint, Run, StepRun
from pipelines.running import runs
from pipelines.running.context import log_path
from studio.models import Workspace
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]
HTMX = {"HTTP_HX_REQUEST": "true"}
TABS = ("run", "run_logs", "run_metrics", "run_data", "run_spec", "run_spec_file")


@pytest.fixture
def done(start: Start) -> Run:
    return runs.run_to_end(start(chain(text="no")))


def test_every_tab_opens_for_a_viewer_and_is_hidden_from_strangers(
    done: Run, viewer_client: Client, stranger_client: Client
) -> None:
    addresses = [reverse(name, args=["lab", done.number]) for name in TABS]
    addresses.append(reverse("run_step_lines", args=["lab", done.number, "say"]))
    for address in addresses:
        assert viewer_client.get(address).status_code == 200, address
        assert stranger_client.get(address).status_code == 404, address
        assert Client().get(address).status_code == 302, address
    for name in TABS:
        assert viewer_client.get(reverse(name, args=["lab", 999])).status_code == 404
    assert viewer_client.get(reverse("run_step_lines", args=["lab", done.number, "gone"])).status_code == 404


def test_the_picture_has_a_box_for_every_step_with_its_state_and_counts(done: Run, viewer_client: Client) -> None:
    StepRun.objects.filter(run=done, node="say").update(summary={"rows_in": 1180, "rows_kept": 1112, "cost_usd": 0.42})
    page = viewer_client.get(done.get_absolute_url()).text
    assert page.count("<foreignObject") == 2
    assert "1\u202f180 in → 1\u202f112 kept" in page
    assert "$0.42" in page
    assert 'id="line-make-say"' in page
    assert page.count("rnode-succeeded") == 2


def test_a_reused_step_names_the_run_it_came_from_and_costs_nothing(start: Start, viewer_client: Client) -> None:
    first = runs.run_to_end(start(chain(text="x")))
    StepRun.objects.filter(run=first).update(summary={"cost_usd": 3.5})
    version = first.version
    second = runs.run_to_end(runs.start_run(version, user=None))
    page = viewer_client.get(second.get_absolute_url()).text
    assert "reused from run 1" in page and "rnode-cached" in page
    assert "$3.50" not in page


def test_why_a_step_was_done_again_is_told_everywhere(done: Run, viewer_client: Client) -> None:
    StepRun.objects.filter(run=done, node="say").update(reason="Changed since run 4: Text.")
    pages = [
        done.get_absolute_url(),
        f"{done.get_absolute_url()}?view=list",
        reverse("run_metrics", args=["lab", done.number]),
        reverse("run_step", args=["lab", done.number, "say"]),
    ]
    for page in pages:
        assert "Changed since run 4: Text." in viewer_client.get(page).text, page


def test_the_list_takes_the_place_of_the_picture_when_asked_for(done: Run, viewer_client: Client) -> None:
    page = viewer_client.get(done.get_absolute_url(), {"view": "list"}).text
    assert "<foreignObject" not in page and 'class="run-steps"' in page


def test_a_poll_of_a_running_run_costs_few_queries_whatever_its_size(
    toy_steps: list[str],
    workspace: Workspace,
    viewer_client: Client,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    nodes = [{"id": f"make{i}", "step": "source", "params": {}} for i in range(40)]
    pipeline = drafts.create(workspace, name="Wide", spec={"schema": 1, "nodes": nodes, "edges": []}, user=None)
    run = runs.start_run(runs.freeze(pipeline, user=None), user=None)
    # Five look at the line its steps wait in, every few seconds for all who look.
    # PostgreSQL is also asked for the time.
    with django_assert_max_num_queries(16):
        answer = viewer_client.get(run.get_absolute_url(), **HTMX)
    with django_assert_max_num_queries(10):
        viewer_client.get(run.get_absolute_url(), **HTMX)
    assert answer.text.count("<foreignObject") == 40
    assert "hx-trigger" in answer.text


def test_an_unchanged_poll_is_answered_without_a_page(start: Start, viewer_client: Client) -> None:
    run = start(chain())
    runs.cancel_run(run, user=None)
    address = run.get_absolute_url()
    tag = viewer_client.get(address, **HTMX, HTTP_HX_PTAG="none").headers["HX-PTag"]
    assert viewer_client.get(address, **HTMX, HTTP_HX_PTAG=tag).status_code == 304


def test_a_step_opens_in_a_drawer_and_polls_itself_there(start: Start, viewer_client: Client) -> None:
    run = start(chain())
    address = reverse("run_step", args=["lab", run.number, "make"])
    drawer = viewer_client.get(address, **HTMX, HTTP_HX_TARGET="div#drawer").text
    assert "<studio-drawer>" in drawer and "<html" not in drawer
    assert f"{address}?drawer=1" in drawer
    poll = viewer_client.get(f"{address}?drawer=1", **HTMX, HTTP_HX_TARGET="div#step").text
    assert "<studio-drawer>" not in poll and "drawer-facts" in poll and "<h1" not in poll


def test_the_spec_tab_tells_defaults_from_what_was_given(done: Run, viewer_client: Client) -> None:
    page = viewer_client.get(reverse("run_spec", args=["lab", done.number])).text
    assert "text: &#x27;no&#x27;" in page
    assert page.count(">default<") >= 4
    saved = viewer_client.get(reverse("run_spec_file", args=["lab", done.number]))
    assert "attachment" in saved.headers["Content-Disposition"] and "step: answer" in saved.text


def test_inputs_and_outputs_lead_to_their_rows(done: Run, viewer_client: Client) -> None:
    page = viewer_client.get(reverse("run_data", args=["lab", done.number])).text
    assert reverse("run_output", args=["lab", done.number, "make", "rows"]) in page
    assert reverse("run_output", args=["lab", done.number, "say", "rows"]) in page
    assert 'from <span class="mono">make.rows</span>' in page


def test_every_curve_has_a_chart(done: Run, viewer_client: Client) -> None:
    address = reverse("run_metrics", args=["lab", done.number])
    assert "No curves were recorded" in viewer_client.get(address).text
    step = StepRun.objects.get(run=done, node="say")
    for name in ("loss", "eval_loss", "grad_norm"):
        MetricPoint.objects.create(step_run=step, name=name, at=1, value=1.0)
    page = viewer_client.get(address).text
    assert page.count("<metric-chart") == 2
    assert "names=eval_loss%2Closs" in page and "Grad norm" in page


class TestLogs:
    def write(self, run: Run, node: str, text: str) -> None:
        log_path(StepRun.objects.get(run=run, node=node).pk).write_text(text)

    def test_a_search_reaches_past_the_end_that_is_shown(self, done: Run, viewer_client: Client) -> None:
        lines = [f"2026-03-01T10:00:00.000Z  line {i}" for i in range(1, 2001)]
        lines[2] = "2026-03-01T10:00:00.000Z  <b>Needle</b>"
        self.write(done, "say", "\n".join(lines) + "\n")
        address = reverse("run_step_lines", args=["lab", done.number, "say"])
        end = viewer_client.get(address).text
        assert "line 2000" in end and "Needle" not in end
        found = viewer_client.get(address, {"q": "nEEDLE"}).text
        assert "Lines 1 to 1 of 1" in found
        assert "&lt;b&gt;<mark>Needle</mark>&lt;/b&gt;" in found
        assert "line=3#L3" in found
        shown = viewer_client.get(address, {"q": "needle", "line": "3"}).text
        assert "Match 1 of 1" in shown and "log-target" in shown and 'id="L3"' in shown
        assert "No line holds" in viewer_client.get(address, {"q": "zebra"}).text

    def test_what_an_address_may_hold_is_no_trouble(self, done: Run, viewer_client: Client) -> None:
        self.write(done, "say", "one\ntwo\n")
        address = reverse("run_step_lines", args=["lab", done.number, "say"])
        odd: list[dict[str, str]] = [
            {"line": "9" * 40}, {"line": "x"}, {"line": "7777"}, {"line": "0"}, {"from": "-1", "q": "o"}, {"level": "loud"},
            {"q": "(" * 500}, {"q": "\n"}, {"from": "99999999", "q": "o"}, {"after": "5"},
        ]  # fmt: skip
        for query in odd:
            assert viewer_client.get(address, query).status_code == 200, query
        run_logs = reverse("run_logs", args=["lab", done.number])
        for query in [*odd, {"after": "1:2:3.x:y"}, {"step": "say"}]:
            assert viewer_client.get(run_logs, query, **HTMX).status_code == 200, query
        assert viewer_client.get(run_logs, {"step": "gone"}).status_code == 404

    def test_a_poll_brings_only_what_is_new(self, start: Start, viewer_client: Client) -> None:
        run = start(chain())
        step = StepRun.objects.get(run=run, node="say")
        log_path(step.pk).parent.mkdir(parents=True, exist_ok=True)
        self.write(run, "say", "first line\n")
        address = reverse("run_step_lines", args=["lab", run.number, "say"])
        assert f"{address}?after=11" in viewer_client.get(address).text
        with log_path(step.pk).open("a") as out:
            out.write("second line\n")
        more = viewer_client.get(address, {"after": "11"}, **HTMX).text
        assert "second line" in more and "first line" not in more and "after=23" in more and "<html" not in more

    def test_the_runs_log_has_all_steps_in_the_order_of_time(self, done: Run, viewer_client: Client) -> None:
        self.write(done, "make", "2026-03-01T10:00:00.000Z  alpha\n2026-03-01T10:00:09.000Z  gamma\n")
        self.write(done, "say", "2026-03-01T10:00:05.000Z  beta WARNING\n")
        address = reverse("run_logs", args=["lab", done.number])
        page = viewer_client.get(address).text
        assert page.index(">alpha<") < page.index(">beta WARNING<") < page.index(">gamma<")
        found = viewer_client.get(address, {"level": "warning"}).text
        assert "beta WARNING" in found and "alpha" not in found
        one = viewer_client.get(address, {"step": "make"}).text
        assert "alpha" in one and "beta" not in one
