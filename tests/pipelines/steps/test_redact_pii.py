"""Redaction: stable placeholders, every place a value hides in, nothing of it left in anything that is written."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.running.child import run_child
from pipelines.steps.redact_pii import NAMES_CHILD, RedactPii, judge, named
from pipelines.steps.redaction import redact, told
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import row, try_step
from vault.quality import pii
from vault.rows import Row, to_json, write_rows

MAIL, CARD, KEY = "ann@example.com", "4111 1111 1111 1111", "sk-proj-abcdEFGH1234567890abcd"


def clean(row: Row, names: tuple[str, ...] = ()) -> tuple[Row, Counter[str]]:
    return redact(row, kinds=pii.KINDS, regions=pii.REGIONS, names=names)


def test_one_value_has_one_placeholder_in_prompt_and_answer_and_another_has_the_next() -> None:
    given = row(f"I am {MAIL}, my boss is bob@example.com", "Dear ANN@example.com, bob@example.com says yes.")
    done, counts = clean(given)
    assert done.user_text == "I am [EMAIL_1], my boss is [EMAIL_2]"
    assert done.completion_text == "Dear [EMAIL_1], [EMAIL_2] says yes."
    assert counts == {"email": 2}


def test_a_value_is_replaced_where_only_another_text_shows_what_it_is() -> None:
    done, _ = clean(row("call me: 4155552671", '{"number": "4155552671", "order": "94155552671"}'))
    assert done.user_text == "call me: [PHONE_1]"
    assert done.completion_text == '{"number": "[PHONE_1]", "order": "94155552671"}'


def test_two_spellings_of_one_card_are_one_card() -> None:
    done, counts = clean(row(f"{CARD} or 4111111111111111", "4111-1111-1111-1111"))
    assert (done.user_text, done.completion_text) == ("[CARD_1] or [CARD_1]", "[CARD_1]")
    assert counts == {"card": 1}


def test_placeholders_of_an_earlier_redaction_are_not_taken_again() -> None:
    done, _ = clean(row(f"[EMAIL_2] wrote to {MAIL}", "[EMAIL_7]"))
    assert "EMAIL_3" in done.user_text or "EMAIL_8" in done.user_text
    again, counts = clean(done)
    assert again == done
    assert counts == {}


def test_no_part_of_a_row_keeps_the_value() -> None:
    call: dict[str, Any] = {
        "id": "1",
        "type": "function",
        "function": {"name": "send", "arguments": json.dumps({"to": MAIL})},
    }
    given = Row(
        id="r1",
        prompt=[
            {"role": "system", "content": f"Reply to {MAIL}"},
            {"role": "user", "content": "hi", "name": MAIL},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": f"sent to {MAIL}", "tool_call_id": "1"},
            {"role": "user", "content": "ok"},
        ],
        completion={"role": "assistant", "content": f"Sent to {MAIL}."},
        reference={"role": "assistant", "content": f"{MAIL}"},
        soft=[{"text": f"to {MAIL}", "probability": 1.0}],
        tags=[MAIL],
        meta={"respelt_from": MAIL, "nested": {"list": [MAIL, 3]}, "source": {"file": "a.csv", "line": 2}},
    )
    done, _ = clean(given)
    assert MAIL not in json.dumps(to_json(done))
    assert json.loads(done.prompt[2]["tool_calls"][0]["function"]["arguments"]) == {"to": "[EMAIL_1]"}
    assert done.meta["source"] == {"file": "a.csv", "line": 2}
    assert (done.id, done.meta["derived_from"], done.meta["redacted"]) == ("r1", ["r1"], {"email": 1})


def test_lineage_is_added_to_not_replaced() -> None:
    given = replace(row("x", MAIL), id="copy", meta={"derived_from": ["first"]})
    assert clean(given)[0].meta["derived_from"] == ["first", "copy"]


def test_names_that_were_found_are_replaced_as_whole_words() -> None:
    done, counts = clean(row("Ann Lee met Anna.", "ANN LEE? Ann Lee!"), names=("Ann Lee", "Zoe"))
    assert (done.user_text, done.completion_text) == ("[NAME_1] met Anna.", "ANN LEE? [NAME_1]!")
    assert counts == {"name": 1}


def test_secrets_are_replaced_whatever_kinds_are_chosen(tmp_path: Path) -> None:
    outcome = try_step(RedactPii(), [row(f"use {KEY}", f"mail {MAIL}")], folder=tmp_path, kinds=[])
    (only,) = outcome.rows()
    assert (only.user_text, only.completion_text) == ("use [OPENAI_KEY_1]", f"mail {MAIL}")
    assert outcome.summary["headline"] == "1 of 1 row kept. 1 row was redacted: 1 openai key."


def test_rows_without_any_stay_as_they_are_and_the_summary_counts_kinds(tmp_path: Path) -> None:
    rows = [row("plain", "text"), row(f"{MAIL} {CARD}", "a"), row("bob@example.com", "b")]
    outcome = try_step(RedactPii(), rows, folder=tmp_path)
    assert outcome.rows()[0] == rows[0]
    assert outcome.summary["kinds"] == {"email": 2, "card": 1}
    assert outcome.summary["headline"] == "3 of 3 rows kept. 2 rows were redacted: 2 emails, 1 card."


def test_dropped_rows_are_redacted_among_the_rejects_and_no_file_of_the_step_holds_the_value(tmp_path: Path) -> None:
    outcome = try_step(RedactPii(), [row("fine", "a"), row(MAIL, "b")], folder=tmp_path, action="drop the row")
    assert [r.user_text for r in outcome.rows()] == ["fine"]
    (reject,) = outcome.rows("rejects")
    assert reject.user_text == "[EMAIL_1]"
    assert reject.meta["reject"]["reason"] == "The row has 1 email."
    assert outcome.summary["dropped"] == {"with personal data or secrets": 1}
    assert MAIL not in str(outcome.summary)
    for file in outcome.desk.scratch.rglob("*"):
        assert not file.is_file() or MAIL.encode() not in file.read_bytes()


def test_an_id_with_personal_data_is_said_since_ids_stay() -> None:
    found: Counter[str] = Counter()
    given = replace(row("a", "b"), id=MAIL)
    (verdict,) = judge([(given, [])], params=RedactPii.Params(), found=found)
    assert verdict.row.id == MAIL
    assert found["\0ids"] == 1


def test_values_are_told_by_kind_and_number_only() -> None:
    assert told({"ip": 1, "iban": 2, "email": 3}) == "3 emails, 2 IBANs, 1 IP address"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"regions": ["XX"]}, "no country 'XX'"),
        ({"names_model": "../evil"}, "name of a spaCy"),
        ({"kinds": ["age"]}, "email"),
    ],
)
def test_params_that_do_not_fit_are_refused(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        RedactPii.Params(**params)


def find_names(rows: list[Row], *, model: str, folder: Path) -> list[list[str]]:
    """What the child says of these rows."""
    write_rows(folder / "rows", rows)
    config = {"rows": str(folder / "rows"), "out": str(folder / "names"), "model": model, "total": len(rows)}
    quiet = {"on_event": lambda event: None, "beat": lambda: None, "on_line": lambda line: None}
    run_child(NAMES_CHILD, config=config, folder=folder, **quiet)
    return [names for _, names in named(rows, folder / "names")]


def test_a_pipeline_that_is_not_there_is_said_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="not installed on this worker") as caught:
        find_names([row("a")], model="xx_no_such_pipeline", folder=tmp_path)
    assert "python -m spacy download xx_no_such_pipeline" in caught.value.action


def test_a_pipelines_persons_reach_their_rows(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="the extra 'names' is not installed")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Ann Lee"}])
    pipeline.to_disk(tmp_path / "people")
    rows = [row("no one"), row("Ann Lee is here", "Hello Ann Lee"), row(""), row("x", "by Ann Lee")]
    found = find_names(rows, model=str(tmp_path / "people"), folder=tmp_path)
    assert found == [[], ["Ann Lee"], [], ["Ann Lee"]]
