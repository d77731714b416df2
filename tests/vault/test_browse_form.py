from __future__ import annotations

import pytest
from django.http import QueryDict

from vault.browse_form import FilterForm, filter_values
from vault.query import Condition, Filter
from vault.views.lookup import address

WANTED = Filter(
    search="a b",
    label=" x ",
    tag="t",
    has="differs",
    min_chars=0,
    max_chars=9,
    flag="pii:email",
    language="de",
    min_tokens=3,
    max_tokens=4,
    group=0,
    verdict="rejected",
    conditions=(Condition("meta.a b", "is", "1&2"), Condition("answer", "empty"), Condition("id", "regex", "^a+$")),
)


def test_a_filter_survives_the_address() -> None:
    assert FilterForm(QueryDict(address("", filter_values(WANTED))[1:])).wanted() == WANTED
    assert FilterForm(filter_values(WANTED)).wanted() == WANTED
    assert filter_values(Filter()) == {} and not FilterForm(QueryDict()).wanted().active


def test_a_field_and_a_value_alone_mean_equal() -> None:
    form = FilterForm(QueryDict("field=meta.city&value=Oslo"))
    assert form.wanted().conditions == (Condition("meta.city", "is", "Oslo"),) and form.problems == []


def test_an_empty_line_of_the_form_is_no_condition() -> None:
    assert FilterForm(QueryDict("field=prompt&op=contains&value=")).wanted().conditions == ()
    assert FilterForm(QueryDict("field=prompt&op=empty&value=x")).wanted().conditions == (Condition("prompt", "empty"),)


@pytest.mark.parametrize(
    "query,said",
    [
        ("field=nope&value=1", "not a field"),
        ("field=meta.&value=1", "not a field"),
        ("field=id&op=like&value=1", "not a comparison"),
        ("field=meta.n&op=gt&value=lots", "not a number"),
        ("field=meta.n&op=gt&value=nan", "not a number"),
        ("field=prompt&op=regex&value=(", "not a pattern"),
        ("field=prompt&op=regex&value=(%3F=a)", "not a pattern"),
        ("field=a&field=b&op=is&value=1&value=2", "incomplete"),
        ("min=x", "At least"),
        ("max_tokens=-1", "Max tokens"),
        ("sort=zzz", "can't be sorted"),
        ("verdict=fine", "Verdict"),
        ("group=" + "9" * 40, "Group"),
    ],
)
def test_what_makes_no_sense_is_said_and_does_not_filter(query: str, said: str) -> None:
    form = FilterForm(QueryDict(query))
    assert not form.wanted().active and form.order == ""
    assert any(said in problem for problem in form.problems)


def test_the_order_is_read_and_row_is_none() -> None:
    for given, read in (("-prompt", "-prompt"), ("row", ""), ("-row", "-row"), ("meta.a.b", "meta.a.b")):
        form = FilterForm(QueryDict(f"sort={given}"))
        form.wanted()
        assert form.order == read
