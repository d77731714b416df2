from __future__ import annotations

from django.http import QueryDict

from vault.forms import Mapping, mapping_values
from vault.readers.columns import Columns
from vault.readers.openai_chat import OpenAIChat


def test_a_mapping_form_becomes_params() -> None:
    data = QueryDict(
        "prompt=Say+{text}%00&completion=label&tags=city&tags=a+b&header=on&reader=columns&csrfmiddlewaretoken=x"
    )
    values = mapping_values(Columns, data)
    assert values["prompt"] == "Say {text}" and values["tags"] == ["city", "a b"] and values["header"] is True
    assert Columns.Params(**values).completion == "label"


def test_nothing_ticked_means_no_tags_and_no_header() -> None:
    values = mapping_values(Columns, QueryDict("prompt={text}"))
    assert values["tags"] == [] and values["header"] is False
    assert "tags" not in mapping_values(OpenAIChat, QueryDict("answer=reference"))


def test_columns_are_chosen_from_a_list_that_keeps_what_was_typed() -> None:
    form = Mapping(Columns, ["text", "label"], {"completion": "gone"}, {"completion": "There is no column 'gone'."})
    found = {f.param.name: f for f in form.basic}
    assert found["completion"].param.choices == ("gone", "text", "label") and "no column" in found["completion"].error
    assert found["tags"].param.kind == "choices" and found["reference"].param.nullable
    assert {f.param.name for f in form.advanced} == {
        "encoding",
        "repeated",
        "delimiter",
        "header",
        "messages",
        "sheet",
        "guarded",
    }


def test_advanced_inputs_open_when_they_matter() -> None:
    assert not Mapping(Columns, ["text"], {}).advanced_open
    assert Mapping(Columns, ["text"], {"encoding": "cp1251"}).advanced_open
    assert Mapping(Columns, ["text"], {}, {"encoding": "Wrong."}).advanced_open
