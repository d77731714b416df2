"""Numbers, times and pictures as the pages write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone
from django_cotton.compiler_regex import CottonCompiler

from studio.lib.params import BaseParams, describe, param
from studio.templatetags import charts, ui

THIN, SPACE = "\u202f", "\u00a0"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1180, f"1{THIN}180"),
        (12345678, f"12{THIN}345{THIN}678"),
        (0.91234, "0.9123"),
        (-3, "−3"),
        (0, "0"),
        (None, "–"),
        ("", "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        ("many", "–"),
    ],
)
def test_numbers_have_thin_separators_and_missing_ones_are_a_dash(value: Any, text: str) -> None:
    assert ui.number(value) == text


def test_a_number_keeps_the_decimals_it_is_asked_for() -> None:
    assert ui.number(1234.5, 2) == f"1{THIN}234.50"


@pytest.mark.parametrize(("value", "text"), [(1.24, "+1.2"), (-0.4, "−0.4"), (0.04, "±0.0"), (-0.04, "±0.0")])
def test_a_difference_carries_its_sign_and_none_when_it_rounds_to_nothing(value: float, text: str) -> None:
    assert ui.signed(value) == text


def test_percents() -> None:
    assert ui.percent(0.925) == f"92.5{THIN}%"
    assert ui.percent(0.925, 0) == f"92{THIN}%"
    assert ui.percent(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (-0.0001, "0 s"),
        (0.85, "850 ms"),
        (1, "1 s"),
        (4.24, "4.2 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3900, "1 h 5 min"),
        (187200, "2 d 4 h"),
        (timedelta(minutes=2), "2 min"),
        (-30, "−30 s"),
        (None, "–"),
    ],
)
def test_durations_have_two_units_at_most(value: Any, text: str) -> None:
    assert ui.duration(value).replace(SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(6.7, "6.7 rows/s"), (1180, f"1{THIN}180 rows/s"), (0.043, "2.6 rows/min"), (0.001, "3.6 rows/h")],
)
def test_slow_rates_are_told_by_the_minute_or_hour(value: float, text: str) -> None:
    assert ui.rate(value, "rows").replace(SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (145_000_000, "145 MB"),
        (99_960_000, "100 MB"),
        (1.08e9, "1.1 GB"),
        (3e15, "3000 TB"),
    ],
)
def test_sizes_are_decimal(value: float, text: str) -> None:
    assert ui.filesize(value).replace(SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.4, "$12.40"), (0.0042, "$0.0042"), (0.00003, "$0.000030"), (0, "$0.00"), (1234.5, f"$1{THIN}234.50")],
)
def test_small_sums_keep_enough_places_to_differ_from_nothing(value: float, text: str) -> None:
    assert ui.money(value) == text


def test_other_currencies_are_named() -> None:
    assert ui.money(3.1, "EUR") == f"3.10{SPACE}EUR"


def test_commas_of_numbers_in_a_text_become_thin_and_others_stay() -> None:
    assert ui.thin("1,112 of 1,180 rows, 41 copies, 1,23") == f"1{THIN}112 of 1{THIN}180 rows, 41 copies, 1,23"


def test_a_field_name_becomes_a_label() -> None:
    assert ui.in_words("cost_usd") == "Cost usd"
    assert ui.in_words("") == ""


def test_plurals() -> None:
    assert ui.plural(1, "row,rows") == "1 row"
    assert ui.plural(3, "row") == "3 rows"
    assert ui.plural(1200, "reply,replies") == f"1{THIN}200 replies"


def test_a_time_is_relative_in_text_and_absolute_on_hover() -> None:
    html = ui.relative_time(timezone.now() - timedelta(minutes=3))
    assert f"3{SPACE}min ago" in html
    assert re.search(r'<time datetime="[^"]+" title="[^"]+ UTC">', html)
    assert "01 Mar 2020" in ui.relative_time(datetime(2020, 3, 1, tzinfo=UTC))
    assert ui.relative_time(None) == "–"


def test_icons_are_inline_decorative_unless_named_and_never_missing() -> None:
    assert 'aria-hidden="true"' in ui.icon("play")
    assert 'role="img" aria-label="Start &lt;it&gt;"' in ui.icon("play", label="Start <it>")
    assert ui.icon("../../secret") == ui.icon("square")


def test_every_icon_that_a_template_names_is_vendored() -> None:
    vendored = {path.stem for path in (settings.BASE_DIR / "static" / "vendor" / "lucide").glob("*.svg")}
    named = set()
    for path in Path(settings.BASE_DIR / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        named |= {(path.name, name) for name in re.findall(r'\{% icon "([^"]+)"', text)}
        named |= {(path.name, name) for name in re.findall(r'<c-[a-z-]+[^>]*? icon(?:_after)?="([a-z0-9-]+)"', text)}
    assert named
    assert [pair for pair in sorted(named) if pair[1] not in vendored] == []


def test_every_job_state_has_a_word_and_an_icon() -> None:
    from studio.jobs import State

    for state in State.values:
        assert ui.status_view(state).icon != "circle"
    assert ui.status_view("half_done").label == "Half done"


def test_json_is_coloured_and_escaped() -> None:
    html = ui.json_html({"a<b": ["x</span>", 1.5, True, None]})
    assert '<span class="json-key">&quot;a&lt;b&quot;</span>' in html
    assert '<span class="json-string">&quot;x&lt;/span&gt;&quot;</span>' in html
    assert '<span class="json-number">1.5</span>' in html
    assert '<span class="json-word">true</span>' in html


def test_a_diff_marks_words_and_escapes_them() -> None:
    assert ui.word_diff("a taxi fare", "a <b> fare") == "a <del>taxi</del><ins>&lt;b&gt;</ins> fare"
    assert ui.word_diff("", None) == ""


def test_message_text_takes_every_shape_of_content() -> None:
    assert ui.message_text({"role": "user", "content": "hi"}) == "hi"
    assert ui.message_text({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}) == "a\nb"
    assert ui.message_text({"content": None}) == ""
    assert ui.message_text("plain") == "plain"


@pytest.mark.parametrize(
    ("top", "ticks"),
    [(301, [0, 100, 200, 300, 400]), (0.95, [0, 0.25, 0.5, 0.75, 1.0]), (3, [0, 1, 2, 3]), (0, [0, 1])],
)
def test_axes_start_at_zero_and_end_at_a_round_number(top: float, ticks: list[float]) -> None:
    assert charts.nice_ticks(top) == ticks


def test_histogram_bars_stand_on_the_baseline_in_proportion() -> None:
    view = charts.histogram_view([{"low": 0, "high": 10, "count": 50}, {"low": 10, "high": 20, "count": 100}])
    short, tall = view["bars"]
    assert tall["height"] == pytest.approx(2 * short["height"], abs=0.02)
    assert all(bar["y"] + bar["height"] == pytest.approx(view["bottom"], abs=0.02) for bar in view["bars"])
    assert [label["text"] for label in view["labels"]] == ["0", "10", "20"]
    assert charts.histogram_view([])["bars"] == []


def test_the_matrix_shades_hits_and_misses_apart_and_gives_recall() -> None:
    view = charts.matrix_view(["a", "b"], [[8, 2], [0, 0]], {(0, 1): "/rows"})
    assert [cell["css"] for cell in view["rows"][0]["cells"]] == ["hit-4", "miss-4"]
    assert view["rows"][0]["cells"][1]["href"] == "/rows"
    assert view["rows"][0]["recall"] == 0.8
    assert view["rows"][1]["recall"] is None


def test_an_interval_is_placed_on_the_scale_and_clipped_to_it() -> None:
    assert charts.interval_view(0.5, 0.25, 1.2) == {"at": 50.0, "low": 25.0, "high": 100.0}
    assert charts.interval_view(None) == {"at": None, "low": None, "high": None}
    assert charts.interval_view(30, 20, 40, 0, 60)["at"] == 50.0


def test_a_sparkline_needs_two_numbers_and_survives_a_flat_line() -> None:
    assert charts.sparkline_points([1])["points"] == ""
    assert charts.sparkline_points([2, 2])["points"] == "2.0,18.0 78.0,18.0"
    assert charts.sparkline_points([0, None, 1])["points"] == "2.0,18.0 78.0,2.0"


def test_the_timeline_spans_first_start_to_last_end() -> None:
    start = timezone.now() - timedelta(seconds=100)
    view = charts.timeline_view(
        [
            {"name": "a", "status": "succeeded", "start": start, "end": start + timedelta(seconds=25)},
            {"name": "b", "status": "running", "start": start + timedelta(seconds=25), "end": None},
            {"name": "c", "status": "pending", "start": None, "end": None},
        ]
    )
    first, second, third = view["rows"]
    assert (first["bars"][0]["x"], first["bars"][0]["width"]) == (0.0, pytest.approx(25, abs=0.5))
    assert second["bars"][0]["x"] + second["bars"][0]["width"] == pytest.approx(100, abs=0.5)
    assert third["bars"] == [] and third["spoken"] == ""
    assert [tick["text"] for tick in view["ticks"]][:3] == ["0\u00a0s", "20\u00a0s", "40\u00a0s"]
    assert charts.timeline_view([{"name": "c", "status": "pending"}])["total"] is None


def test_a_timeline_draws_every_bar_of_a_row_and_counts_only_work() -> None:
    start = timezone.now() - timedelta(seconds=100)
    bars = [
        {"status": "pending", "wait": True, "start": start, "end": start + timedelta(seconds=40)},
        {"status": "failed", "start": start + timedelta(seconds=40), "end": start + timedelta(seconds=50)},
        {"status": "succeeded", "start": start + timedelta(seconds=60), "end": start + timedelta(seconds=80)},
    ]
    view = charts.timeline_view(
        [{"name": "a", "status": "succeeded", "bars": bars}], begin=start - timedelta(seconds=20)
    )
    (row,) = view["rows"]
    assert [bar["x"] for bar in row["bars"]] == [20.0, 60.0, 80.0]
    assert row["spoken"] == "30\u00a0s" and view["total"] == 100


@pytest.mark.parametrize(
    ("whole", "last"),
    [(0.4, 0.4), (5, 5), (95, 80), (600, 600), (5400, 4800), (86400 * 3, 86400 * 3), (86400 * 40, 86400 * 36)],
)
def test_a_time_axis_is_marked_at_round_times(whole: float, last: float) -> None:
    ticks = charts.time_ticks(whole)
    assert ticks[0] == 0 and 2 <= len(ticks) <= 8
    assert ticks[-1] == pytest.approx(last)


def test_bars_share_one_scale_from_zero() -> None:
    rows = charts.bars_view([{"label": "a", "value": 4}, {"label": "b", "value": 1}])
    assert [row["width"] for row in rows] == [100, 25]
    assert charts.bars_view([{"label": "a", "value": 0}])[0]["width"] == 0


def test_calibration_points_leave_out_empty_bins() -> None:
    bins = [{"confidence": 0.5, "accuracy": 0.4, "count": 10}, {"confidence": 0.9, "accuracy": 0.9, "count": 0}]
    assert len(charts.calibration_view(bins)["points"]) == 1


class Sample(BaseParams):
    """One of each that the form draws differently."""

    rate: float = param(0.5, label="Rate <of>", help="How fast.", unit="per step", gt=0, le=1)
    names: tuple[str, ...] = param(("a", "b"), label="Names")


def render(source: str, **context: Any) -> str:
    """``source`` as a page's template: only files pass django-cotton's compiler by themselves."""
    return Template(CottonCompiler().process(source)).render(Context(context))


def test_a_parameter_is_drawn_with_unit_help_default_bounds_and_error() -> None:
    html = render(
        '<c-form-field :field="field" :value="value" error="{{ error }}" prefix="p-" />',
        field=describe(Sample)[0],
        value=7,
        error="Must be <= 1.",
    )
    assert 'for="id_p-rate"' in html
    assert "Rate &lt;of&gt;" in html
    assert 'type="number" step="any" min="0" max="1" value="7"' in html
    assert "per step" in html
    assert "Default: 0.5 per step." in html
    assert 'aria-invalid="true"' in html
    assert "Must be &lt;= 1." in html


def test_a_django_field_gets_the_same_look_and_keeps_its_own_classes() -> None:
    class Plain(forms.Form):
        name = forms.CharField(widget=forms.TextInput(attrs={"class": "input-mono"}))
        kind = forms.ChoiceField(choices=[("a", "A")])
        note = forms.CharField(widget=forms.Textarea, required=False)
        sure = forms.BooleanField(help_text="Think.")
        file = forms.FileField()

    form = Plain({"name": ""})
    html = render("{% for field in form %}<c-form-field :field='field' />{% endfor %}", form=form)
    for css in ("input w-full input-mono", "select w-full", "textarea w-full", "checkbox", "file-input w-full"):
        assert f'class="{css}"' in html
    assert "This field is required." in html
    assert html.count('<span class="field-optional">') == 1
    assert html.count('aria-invalid="true"') == 4


def test_a_list_parameter_takes_one_item_a_line() -> None:
    html = render('<c-form-field :field="field" :value="value" />', field=describe(Sample)[1], value=["x", "y"])
    assert ">x\ny</textarea>" in html


@pytest.mark.parametrize(
    "source",
    [
        '<c-page-header title="{{ evil }}" facts="{{ evil }}" />',
        '<c-stat-tile label="{{ evil }}" value="{{ evil }}" note="{{ evil }}" />',
        '<c-button href="{{ evil }}" label="{{ evil }}">{{ evil }}</c-button>',
        '<c-chat :messages="messages" :answer="evil" />',
        '<c-code-block code="{{ evil }}" label="{{ evil }}" />',
        '<c-code-block :code="evil" />',
        '<c-json-view :value="messages" />',
        '<c-callout title="{{ evil }}">{{ evil }}</c-callout>',
        '<c-callout :title="evil" />',
        '<c-bars :rows="bars" label="{{ evil }}" />',
        '<c-confusion-matrix :labels="labels" :counts="counts" />',
        '<c-histogram :bins="bars" title="{{ evil }}" />',
        '<c-word-diff before="{{ evil }}" :after="evil" />',
        '<c-hash :value="evil" />',
        '<c-copy :text="evil" />',
        '<c-drawer :title="evil" close="/" />',
        '<c-comment :author="evil" :text="evil" />',
        '<c-tag :remove="evil">{{ evil }}</c-tag>',
    ],
)
def test_a_component_never_lets_markup_through(source: str) -> None:
    evil = '"><script>alert(1)</script>'
    html = render(
        source,
        evil=evil,
        messages=[{"role": evil, "content": evil}],
        bars=[{"label": evil, "value": 1, "count": 1, "href": evil}],
        labels=[evil],
        counts=[[1]],
    )
    assert "<script" not in html
    assert '"">' not in html
