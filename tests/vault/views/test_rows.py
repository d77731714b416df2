from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from studio.jobs import State
from studio.models import Workspace
from vault import browsing, derivations, store
from vault.models import Dataset, DatasetVersion, Derivation
from vault.query import RowTable, TooSlow
from vault.rows import Row, assistant, to_json, write_rows

URL = "/w/lab/vault/datasets/tickets/"
V1 = URL + "v1/"
HX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def with_version(version: DatasetVersion) -> None:
    """Every test here looks at the tickets."""


def test_rows_are_shown_with_their_answers_and_facets(viewer_client: Client) -> None:
    page = viewer_client.get(URL)
    assert page.status_code == 200
    assert "Where is my card?" in page.text and "card_arrival" in page.text
    assert "label=top_up" in page.text and "tag=Rome" in page.text
    assert viewer_client.get(V1).status_code == 200


def test_html_in_rows_is_text(viewer_client: Client) -> None:
    for url in (URL, V1 + "rows/1/"):
        text = viewer_client.get(url).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "<script>alert" not in text


def test_pages_are_linked_by_position(viewer_client: Client) -> None:
    first = viewer_client.get(URL).text
    assert f"{V1}?after=49" in first and "Question number 45" in first and "Question number 46" not in first
    second = viewer_client.get(V1, {"after": 49}).text
    assert "Question number 46" in second and "Question number 55" in second and f"{V1}?before=50" in second


@pytest.mark.parametrize(
    "query,shown,hidden",
    [
        ({"q": "number 55"}, "Question number 55", "Where is my card?"),
        ({"label": "card_arrival"}, "Where is my card?", "Question number 1<"),
        ({"tag": "Oslo"}, "alert(1)", "Where is my card?"),
        ({"has": "differs"}, "alert(1)", "Where is my card?"),
        ({"has": "no_completion"}, "مرحبا", "Where is my card?"),
        ({"min": "24"}, "HYPERLINK", "Where is my card?"),
    ],
)
def test_filters_in_the_address_narrow_the_rows(
    viewer_client: Client, query: dict[str, str], shown: str, hidden: str
) -> None:
    text = viewer_client.get(V1, query).text
    assert shown in text and hidden not in text and "Clear all" in text


def test_a_filter_that_matches_nothing_offers_all_rows(viewer_client: Client) -> None:
    text = viewer_client.get(V1, {"q": "zzz"}).text
    assert "No row matches" in text and "Show all rows" in text


def test_a_page_beyond_the_end_offers_the_first_rows(viewer_client: Client) -> None:
    assert "Go to the first rows" in viewer_client.get(V1, {"after": 5000}).text


@pytest.mark.parametrize("query", [{"min": "abc"}, {"min": "-3"}, {"has": "zzz"}, {"after": "1e9"}, {"q": "x" * 500}])
def test_a_filter_that_makes_no_sense_is_shown_and_does_not_filter(
    viewer_client: Client, query: dict[str, str]
) -> None:
    page = viewer_client.get(V1, query)
    assert page.status_code == 200 and "Where is my card?" in page.text and "field-error" in page.text


@pytest.mark.parametrize(
    "query", [{"q": "\"' OR 1=1 --%\\"}, {"q": "a\0b"}, {"label": "';DROP TABLE x;--"}, {"after": "9" * 30}]
)
def test_hostile_filters_are_only_text(viewer_client: Client, query: dict[str, str]) -> None:
    assert viewer_client.get(V1, query).status_code == 200


def test_htmx_gets_the_browser_alone_and_a_clean_address(viewer_client: Client) -> None:
    page = viewer_client.get(V1, {"q": "card", "has": "", "min": ""}, headers=HX)
    assert page.text.strip().startswith('<div id="browser">') and "<html" not in page.text
    assert page["HX-Push-Url"] == f"{V1}?q=card"


def test_a_row_opens_as_a_chat_with_its_provenance(viewer_client: Client) -> None:
    page = viewer_client.get(V1 + "rows/1/", {"q": "alert"})
    assert page.status_code == 200 and "studio-drawer" in page.text and 'id="browser"' in page.text
    assert "tickets.csv, line 3" in page.text and "From reference to answer" in page.text
    assert f'href="{V1}?q=alert"' in page.text


def test_htmx_gets_the_drawer_alone_with_its_neighbours(viewer_client: Client) -> None:
    text = viewer_client.get(V1 + "rows/2/", headers=HX).text
    assert "<html" not in text and text.strip().startswith("<studio-drawer>")
    assert V1 + "rows/1/" in text and V1 + "rows/3/" in text
    filtered = viewer_client.get(V1 + "rows/0/", {"tag": "Rome"}, headers=HX).text
    assert f"{V1}rows/2/?tag=Rome" in filtered


@pytest.mark.parametrize("path", ["rows/999/", "rows/99999999999999999999/"])
def test_a_row_that_is_not_there_is_404(viewer_client: Client, path: str) -> None:
    assert viewer_client.get(V1 + path).status_code == 404


def test_a_version_or_dataset_that_is_not_there_is_404(viewer_client: Client) -> None:
    assert viewer_client.get(URL + "v9/").status_code == 404
    assert viewer_client.get("/w/lab/vault/datasets/none/").status_code == 404


def test_lost_files_are_explained_instead_of_a_crash(viewer_client: Client, version: DatasetVersion) -> None:
    shutil.rmtree(store.folder_of(version.artifact.sha256))
    for url in (URL, V1 + "rows/0/", V1 + "rows/0/file/"):
        page = viewer_client.get(url)
        assert page.status_code == 503 and "not in the data folder" in page.text and "backup" in page.text


def test_a_stranger_gets_404(stranger_client: Client) -> None:
    for url in (URL, V1, V1 + "rows/0/"):
        assert stranger_client.get(url).status_code == 404


def test_another_workspace_does_not_lend_its_address(stranger_client: Client) -> None:
    assert stranger_client.get("/w/elsewhere/vault/datasets/tickets/").status_code == 404


def add_version(workspace: Workspace, rows: list[Row], *, slug: str = "odd") -> str:
    """A dataset of these rows; the address of its version."""
    folder = store.scratch_dir("odd-rows")
    write_rows(folder, rows)
    artifact = store.publish(folder, kind="dataset", workspace=workspace)
    dataset = Dataset.objects.create(workspace=workspace, slug=slug, name=slug)
    DatasetVersion.objects.create(dataset=dataset, number=1, artifact=artifact, rows=len(rows))
    return f"/w/lab/vault/datasets/{slug}/v1/"


@pytest.mark.parametrize(
    "query,first",
    [
        ({"sort": "-row"}, "Question number 55"),
        ({"sort": "-prompt"}, "alert(1)"),
        ({"sort": "label", "tag": "Oslo"}, "alert(1)"),
        ({"sort": "-meta.source.line"}, "Question number 55"),
        ({"field": "meta.source.line", "op": "gt", "value": "60"}, "Question number 55"),
        (
            {"field": ["prompt", "answer"], "op": ["contains", "is"], "value": ["NUMBER 7", "top_up"]},
            "Question number 7",
        ),
        ({"field": "prompt", "op": "regex", "value": "^Sort.\\nQuestion number 1.$"}, "Question number 10"),
        ({"field": "answer", "op": "empty"}, "مرحبا"),
    ],
)
def test_any_field_filters_and_sorts(viewer_client: Client, query: dict[str, str | list[str]], first: str) -> None:
    page = viewer_client.get(V1, query)
    assert page.status_code == 200
    body = page.text.split("<tbody>")[1]
    assert first in body.split("</tr>")[0]


def test_every_filter_in_use_can_be_left_alone(viewer_client: Client) -> None:
    text = viewer_client.get(
        V1, {"tag": "Rome", "field": ["id", "prompt"], "op": ["filled", "contains"], "value": ["", "a"]}
    ).text
    assert text.count('class="chip"') == 3
    assert f'href="{V1}?field=id&amp;field=prompt&amp;op=filled&amp;op=contains&amp;value=&amp;value=a"' in text
    assert f'href="{V1}?tag=Rome&amp;field=prompt&amp;op=contains&amp;value=a"' in text


def test_the_order_stays_on_the_way_to_a_row_and_back(viewer_client: Client) -> None:
    text = viewer_client.get(V1 + "rows/30/", {"sort": "-row", "tag": "Lima"}, headers=HX).text
    assert f"{V1}rows/29/?tag=Lima&amp;sort=-row" in text and f"{V1}rows/31/?tag=Lima&amp;sort=-row" in text
    assert f'href="{V1}?tag=Lima&amp;sort=-row"' in text


@pytest.mark.parametrize(
    "query,said",
    [
        ({"flag": "refusal"}, "no profile"),
        ({"sort": "tokens"}, "no profile"),
        ({"group": "3"}, "no profile"),
        ({"min_tokens": "3"}, "no profile"),
    ],
)
def test_a_filter_that_needs_a_profile_says_so(viewer_client: Client, query: dict[str, str], said: str) -> None:
    page = viewer_client.get(V1, query)
    assert page.status_code == 400 and said in page.text and "Show all rows" in page.text
    assert viewer_client.get(V1 + "rows/3/", query).status_code == 400


def test_a_pattern_that_would_blow_up_elsewhere_is_answered(viewer_client: Client, workspace: Workspace) -> None:
    url = add_version(workspace, [Row("a", [{"role": "user", "content": "a" * 5_000}])])
    page = viewer_client.get(url, {"field": "prompt", "op": "regex", "value": "^(a+)+$"})
    assert page.status_code == 200 and "1 row" in page.text
    bad = viewer_client.get(url, {"field": "prompt", "op": "regex", "value": "(a{1000}){1000}"})
    assert bad.status_code == 200 and "is not a pattern" in bad.text


def test_a_question_that_takes_too_long_says_what_to_do(viewer_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise TooSlow

    monkeypatch.setattr(RowTable, "positions", slow)
    page = viewer_client.get(V1, {"q": "x"})
    assert page.status_code == 503 and "stopped after" in page.text and "another filter" in page.text


def test_a_cell_of_ten_megabytes_is_cut_and_can_be_had_whole(viewer_client: Client, workspace: Workspace) -> None:
    huge = "word " * 2_000_000
    row = Row("big", [{"role": "user", "content": huge}], assistant("x" * 300_000), assistant("y"), tags=["t"])
    url = add_version(workspace, [row, Row("b", [{"role": "user", "content": "small"}])])
    table = viewer_client.get(url)
    assert table.status_code == 200 and len(table.content) < 200_000
    opened = viewer_client.get(url + "rows/0/", headers=HX)
    assert "are left out" in opened.text and "all=1" in opened.text and len(opened.content) < 200_000
    more = viewer_client.get(url + "rows/0/", {"all": "1"}, headers=HX)
    assert 1_000_000 < len(more.content) < 2_000_000 and "Show all" not in more.text
    file = viewer_client.get(url + "rows/0/file/")
    assert file["Content-Type"] == "application/json" and "attachment" in file["Content-Disposition"]
    assert json.loads(b"".join(file.streaming_content)) == to_json(row)


def test_tools_json_rights_to_left_and_null_characters_are_shown(viewer_client: Client, workspace: Workspace) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find_card", "arguments": '{"n": "1<2"}'}}
    rows = [
        Row(
            "t",
            [
                {"role": "user", "content": "مرحبا\0 <b>"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": '{"found": true}', "tool_call_id": "c1"},
            ],
            {"role": "assistant", "content": None, "tool_calls": [call]},
            meta={
                "tools": [{"type": "function", "function": {"name": "find_card", "description": "Finds <i>."}}],
                "reject": {"by": "judge", "reason": "Score <2>."},
            },
        )
    ]
    url = add_version(workspace, rows)
    assert viewer_client.get(url).status_code == 200
    text = viewer_client.get(url + "rows/0/", headers=HX).text
    assert 'dir="auto"' in text and "\0" not in text and "&lt;b&gt;" in text and "<b>" not in text
    assert "find_card" in text and "1&lt;2" in text and "Tools offered" in text and "Finds &lt;i&gt;." in text
    assert "Dropped by judge" in text and "Score &lt;2&gt;." in text


def test_a_row_shows_its_neighbours_and_its_near_duplicates(
    viewer_client: Client, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = store.folder_of(version.artifact.sha256).parent / "facts.parquet"
    flags = [["refusal"] if n == 20 else [] for n in range(60)]
    columns = {
        "_rid": pa.array(range(60)),
        "tokens": pa.array([n + 3 for n in range(60)], pa.int32()),
        "language": pa.array(["en"] * 60),
        "flags": pa.array(flags, pa.list_(pa.string())),
        "near_group": pa.array([10 if n in (10, 20, 30) else None for n in range(60)], pa.int64()),
        "exact_group": pa.array([None] * 60, pa.int64()),
    }
    pq.write_table(pa.table(columns), facts)
    monkeypatch.setattr(browsing.profile, "facts_path", lambda artifact, student="": facts)
    text = viewer_client.get(V1 + "rows/20/", headers=HX).text
    assert (
        "Near-duplicates" in text and f"{V1}rows/10/" in text and f"{V1}rows/30/" in text and f"{V1}?group=10" in text
    )
    assert "23 tokens" in text and "Refusal" in text
    assert "Around it in the file" in text and f'href="{V1}rows/18/"' in text and f'href="{V1}rows/22/"' in text
    page = viewer_client.get(V1, {"group": "10"}).text
    assert "3 rows" in page and "Near-duplicates of row" in page
    assert "Question number 16" in viewer_client.get(V1, {"flag": "refusal", "min_tokens": "20"}).text
    assert "Question number 55" in viewer_client.get(V1, {"sort": "-tokens"}).text.split("<tbody>")[1].split("</tr>")[0]


def test_a_version_without_its_index_says_that_it_is_being_built(
    viewer_client: Client, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "FEW", 10)
    assert "is being built" in viewer_client.get(V1).text
    assert "is being built" in viewer_client.get(V1 + "index/").text
    made = Derivation.objects.get()
    derivations.run(made.pk)
    assert "The index is ready" in viewer_client.get(V1 + "index/").text
    page = viewer_client.get(V1, {"q": "number 55"})
    assert "is being built" not in page.text and "Question number 55" in page.text


def test_an_index_that_could_not_be_made_is_no_secret(
    viewer_client: Client, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "FEW", 10)
    made = browsing.prepare(version)
    assert made is not None
    Derivation.claim(made.pk)
    made.refresh_from_db()
    made.finish(State.FAILED, error="The disk is full.", action="Free some space.")
    monkeypatch.setattr(browsing, "prepare", lambda version: made)
    text = viewer_client.get(V1).text
    assert "was not made" in text and "Free some space." in text and "Where is my card?" in text


def test_rows_of_a_run_name_it(viewer_client: Client, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    class Run:
        def __str__(self) -> str:
            return "Run 7 of Intents"

        def get_absolute_url(self) -> str:
            return "/w/lab/runs/7/"

    from vault.views import rows

    assert rows.run_of(version) is None
    monkeypatch.setattr(rows, "run_of", lambda version: Run())
    text = viewer_client.get(V1 + "rows/0/", headers=HX).text
    assert 'href="/w/lab/runs/7/"' in text and "Run 7 of Intents" in text
