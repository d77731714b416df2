"""The list of evaluations and the report's page."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evaluation.candidates.predictions import Candidate
from evaluation.models import Scorecard, Tone
from evaluation.report.document import Options
from pipelines.models import StepOutput
from studio.models import Workspace
from tests.evaluation.conftest import LABELS, make_candidate, make_rows, make_step, record_evaluation
from vault.rows import Row


def test_an_empty_list_says_what_to_do_first(viewer_client: Client, workspace: Workspace) -> None:
    page = viewer_client.get(reverse("evaluations", args=["lab"]))
    assert page.status_code == 200
    assert b"No evaluations yet" in page.content
    assert reverse("pipelines", args=["lab"]).encode() in page.content


def test_the_list_shows_verdict_and_figures_and_filters_in_the_address(
    viewer_client: Client, scorecard: Scorecard
) -> None:
    url = reverse("evaluations", args=["lab"])
    page = viewer_client.get(url).content.decode()
    assert scorecard.get_absolute_url() in page
    assert "83.3" in page
    assert "Too few rows to tell" in page
    assert scorecard.get_absolute_url() in viewer_client.get(url, {"q": "cards", "verdict": "unclear"}).content.decode()
    for query in ({"q": "something else"}, {"verdict": Tone.GOOD}):
        filtered = viewer_client.get(url, query).content.decode()
        assert "No evaluation matches" in filtered
        assert scorecard.get_absolute_url() not in filtered


def test_the_report_says_its_verdict_first_and_shows_every_candidate(
    viewer_client: Client, scorecard: Scorecard
) -> None:
    page = viewer_client.get(scorecard.get_absolute_url()).content.decode()
    assert page.index(scorecard.verdict.split(":")[0]) < page.index("Quality")
    for text in (
        "Teacher (big)",
        "Base",
        "Student",
        "Confusion matrix",
        "likeliest label",
        "unknown",
        "they count as wrong",
    ):
        assert text in page
    assert f"{reverse('evaluation_rows', args=['lab', scorecard.pk])}?label=transfer" in page


def test_two_reports_of_one_run_are_told_apart_wherever_they_are_listed(
    viewer_client: Client, scorecard: Scorecard
) -> None:
    run = scorecard.step_run.run
    assert scorecard.name_in_run == ""
    version = run.version
    version.spec = {"nodes": [{"id": "evaluate", "step": "evaluate"}, {"id": "short", "step": "evaluate"}]}
    version.save()
    own = make_step(run, "evaluate_again", position=2)
    own.node, own.step = "short", "evaluate"
    own.save()
    StepOutput.objects.create(step_run=own, port="report", artifact=scorecard.report)
    for address in ("/w/lab/evaluations/", scorecard.get_absolute_url(), "/w/lab/evaluations/compare/"):
        html = viewer_client.get(address).content.decode()
        assert re.search(r"[Rr]un 1(</a>)?, (<span class=\"mono\">)?evaluate", html), address
    html = viewer_client.get(run.get_absolute_url()).content.decode()
    assert "Read the report: evaluate" in html and "Read the report: short" in html


def test_the_first_rows_the_student_gets_wrong_are_on_the_report(viewer_client: Client, scorecard: Scorecard) -> None:
    page = viewer_client.get(scorecard.get_absolute_url()).content.decode()
    part = page[page.index('id="sample"') :]
    assert "Student wrong" in part
    assert "?view=wrong&amp;row=2" in part
    assert "question 4" not in part


def test_the_labels_table_sorts_in_the_address(viewer_client: Client, scorecard: Scorecard) -> None:
    def order(sort: str) -> list[int]:
        page = viewer_client.get(scorecard.get_absolute_url(), {"sort": sort}).content.decode()
        table = page[page.index('id="labels"') :]
        return sorted(range(3), key=lambda i: table.index(f"label={['card', 'cash', 'transfer'][i]}"))

    assert order("label") == [0, 1, 2]
    assert order("-label") == [2, 1, 0]


def test_a_report_of_free_text_without_references_has_no_label_parts(
    viewer_client: Client, workspace: Workspace
) -> None:
    rows = make_rows([("Open the app.", None), ("Wait five days.", None)])
    card = record_evaluation(workspace, rows, [make_candidate("student", ["Open the app", "No."])], Options())
    page = viewer_client.get(card.get_absolute_url())
    assert page.status_code == 200
    assert b"Confusion matrix" not in page.content
    assert b"Word overlap" in page.content


@pytest.mark.parametrize(
    ("form", "media_type", "start"),
    [
        ("md", "text/markdown", "# Cards 1, run 1"),
        ("csv", "text/csv", "candidate,kind"),
        ("json", "application/json", "{"),
    ],
)
def test_the_report_can_be_taken_away(
    viewer_client: Client, scorecard: Scorecard, form: str, media_type: str, start: str
) -> None:
    answer = viewer_client.get(reverse("evaluation_download", args=["lab", scorecard.pk, form]))
    assert answer["Content-Type"].startswith(media_type)
    assert f'filename="cards-1-run-1.{form}"' in answer["Content-Disposition"]
    assert answer.content.decode().startswith(start)
    if form == "json":
        assert json.loads(answer.content)["rows"] == 6


def test_another_form_is_not_found(viewer_client: Client, scorecard: Scorecard) -> None:
    assert viewer_client.get(reverse("evaluation_download", args=["lab", scorecard.pk, "exe"])).status_code == 404


def test_strangers_find_nothing(stranger_client: Client, scorecard: Scorecard) -> None:
    for url in (
        reverse("evaluations", args=["lab"]),
        scorecard.get_absolute_url(),
        reverse("evaluation_download", args=["lab", scorecard.pk, "json"]),
    ):
        assert stranger_client.get(url).status_code == 404


def test_an_evaluation_is_not_found_through_another_workspace(
    sign_in: Callable[[User], Client], stranger: User, scorecard: Scorecard
) -> None:
    assert sign_in(stranger).get(reverse("evaluation", args=["elsewhere", scorecard.pk])).status_code == 404


def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(client: Client, scorecard: Scorecard) -> None:
    answer = client.get(scorecard.get_absolute_url())
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("sign_in"))


def test_pages_only_answer_questions(viewer_client: Client, scorecard: Scorecard) -> None:
    assert viewer_client.post(scorecard.get_absolute_url()).status_code == 405


def test_the_matrix_can_show_all_labels_and_sort_by_mistakes(viewer_client: Client, workspace: Workspace) -> None:
    names = [f"label {n:02}" for n in range(40)]
    rows = make_rows([(name, name) for name in names])
    said = [*names[:38], names[0], names[0]]
    card = record_evaluation(workspace, rows, [make_candidate("student", said)], Options(labels=names))
    page = viewer_client.get(card.get_absolute_url()).content.decode()
    assert "The 24 labels with the most mistakes; 16 labels with fewer left out." in page
    whole = viewer_client.get(card.get_absolute_url(), {"matrix": "all", "order": "errors"}).content.decode()
    assert "left out" not in whole
    matrix = whole[whole.index('class="matrix"') :]
    assert matrix.index('title="label 00"') < matrix.index('title="label 01"')
    assert f"{reverse('evaluation_rows', args=['lab', card.pk])}?label=label+38&amp;answer=label+00" in matrix


def test_what_changed_since_the_last_student_is_counted_and_linked_to_its_rows(
    viewer_client: Client,
    workspace: Workspace,
    scorecard: Scorecard,
    held_out: list[Row],
    candidates: list[Candidate],
) -> None:
    student = make_candidate("student", ["cash", "cash", "transfer", "card", "transfer", "cash"])
    later = record_evaluation(workspace, held_out, [*candidates[:2], student], Options(labels=LABELS), number=2)
    page = viewer_client.get(later.get_absolute_url()).content.decode()
    part = page[page.index('id="since"') :]
    assert f"?vs={scorecard.pk}&amp;view=fixed" in part
    assert f"?vs={scorecard.pk}&amp;view=broken" in part
    assert "view=still" not in part.partition("</section>")[0]
    assert b"Since the earlier" not in viewer_client.get(scorecard.get_absolute_url()).content


def test_the_report_goes_out_as_one_html_file(viewer_client: Client, scorecard: Scorecard) -> None:
    answer = viewer_client.get(reverse("evaluation_download", args=["lab", scorecard.pk, "html"]))
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert 'filename="cards-1-run-1.html"' in answer["Content-Disposition"]
    assert answer.content.startswith(b"<!doctype html>")


def test_a_pdf_that_cannot_be_written_leads_back_to_the_report_and_says_why(
    viewer_client: Client, scorecard: Scorecard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    page = viewer_client.get(reverse("evaluation_download", args=["lab", scorecard.pk, "pdf"]), follow=True)
    assert page.redirect_chain == [(scorecard.get_absolute_url(), 302)]
    assert b"WeasyPrint" in page.content


def test_the_file_can_leave_the_rows_out(viewer_client: Client, scorecard: Scorecard) -> None:
    url = reverse("evaluation_download", args=["lab", scorecard.pk, "html"])
    assert f'href="{url}?rows=no"' in viewer_client.get(scorecard.get_absolute_url()).text
    assert "question 2" in viewer_client.get(url).text
    assert "question 2" not in viewer_client.get(url + "?rows=no").text
