"""Personal data and secrets: what is found, with its exact place, and what only looks like it."""

from __future__ import annotations

import random
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.quality import pii, secret_keys

GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
FOUND = [
    ("email", "Mail john.doe+x@example.co.uk, please", "john.doe+x@example.co.uk"),
    ("email", "ünï@müller.de.", "ünï@müller.de"),
    ("email", "<a.b@mail.example.org>", "a.b@mail.example.org"),
    ("phone", "ring +49 30 901820 today", "+49 30 901820"),
    ("phone", "on 020 7946 0958 now", "020 7946 0958"),
    ("phone", "(212) 555-0123", "(212) 555-0123"),
    ("phone", "my number is 07911 123456", "07911 123456"),
    ("phone", "phone: 4155552671", "4155552671"),
    ("phone", "Tel. 01 42 68 53 00", "01 42 68 53 00"),
    ("card", "4111 1111 1111 1111 exp 12/27", "4111 1111 1111 1111"),
    ("card", "amex 378282246310005", "378282246310005"),
    ("card", "5555-5555-5555-4444.", "5555-5555-5555-4444"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00 and more", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432.", "GB82WEST12345698765432"),
    ("iban", "to FR1420041010050500013M02606 now", "FR1420041010050500013M02606"),
    ("iban", "no9386011117947", "no9386011117947"),
    ("ip", "from 10.1.2.3:8080", "10.1.2.3"),
    ("ip", "at 2001:db8::ff00:42:8329,", "2001:db8::ff00:42:8329"),
    ("ip", "::ffff:192.168.1.9", "::ffff:192.168.1.9"),
    ("openai_key", "key sk-proj-abcdEFGH1234567890abcd", "sk-proj-abcdEFGH1234567890abcd"),
    ("anthropic_key", "sk-ant-api03-abcdEFGH1234567890", "sk-ant-api03-abcdEFGH1234567890"),
    ("aws_key", "AKIAIOSFODNN7ABCDE12", "AKIAIOSFODNN7ABCDE12"),
    ("github_token", f"token {GITHUB}", GITHUB),
    ("slack_token", "xoxb-123456789012-abcdefghij", "xoxb-123456789012-abcdefghij"),
    ("google_key", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "AIzaSyA1234567890abcdefghijklmnopqrstuv"),
    ("stripe_key", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ("huggingface_token", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345"),
    ("jwt", f"Bearer {JWT}", JWT),
    ("url_password", "postgres://app:s3cr3tpw@db/x", "s3cr3tpw"),
    ("bearer_token", "Authorization: Bearer abcdefABCDEF0123456789", "abcdefABCDEF0123456789"),
    ("password", "password: hunter2!x9", "hunter2!x9"),
    ("password", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENGbPxRfiCY", "wJalrXUtnFEMI/K7MDENGbPxRfiCY"),
    ("password", '{"api_key": "aB3dkd92ksLq"}', "aB3dkd92ksLq"),
]
CLEAN = [
    "order 1234567890123 shipped",
    "4111 1111 1111 1112",
    "0000 0000 0000 0000",
    "DE89 3704 0044 0532 0130 01",
    "XX82WEST12345698765432",
    "at 12:30:45 std::vector face::add 1.2.3.4.5 version 1.2.3.4 mask 255.255.255.0",
    "localhost is 127.0.0.1 or ::1",
    "256.1.1.1 and 1.2.3",
    "on 2024-01-15 10:20:30 paid 1,234,567.89",
    "12.05.2024 - 13.06.2024",
    "pi is 3.14159265358979",
    "see @handle and user@localhost",
    "a@b, x @ y.com",
    "password: changeme",
    "password: [PASSWORD_1]",
    "api_key = your-api-key-here1",
    "token = os.environ['X1']",
    "the secret: be kind",
    "my token is ready",
    "sk-learn and sk-12",
    "auth: https://example.com/login1234567",
    "-----BEGIN PUBLIC KEY-----",
    "ISBN 978-3-16-148410-0",
    "mail [EMAIL_1] or call [PHONE_1]",
]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_each_kind_is_found_at_its_exact_place(kind: str, text: str, value: str) -> None:
    assert [(s.kind, text[s.start : s.end]) for s in pii.find(text)] == [(kind, value)]


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert [(s.kind, text[s.start : s.end]) for s in pii.find(text)] == []


def test_a_private_key_is_found_whole_with_and_without_its_end() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc/+=\nMIIE\n-----END RSA PRIVATE KEY-----"
    (span,) = pii.find(f"here: {key} thanks!")
    assert (span.kind, span.end - span.start) == ("private_key", len(key))
    (cut,) = pii.find("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n")
    assert cut.kind == "private_key"
    assert cut.end > 50


def test_only_the_kinds_that_are_asked_for_are_looked_for() -> None:
    text = f"a@example.com {GITHUB} 4111111111111111"
    assert [s.kind for s in pii.find(text)] == ["email", "github_token", "card"]
    assert [s.kind for s in pii.find(text, kinds=["card"])] == ["card"]
    assert pii.find(text, kinds=[]) == []
    assert [s.kind for s in pii.find(text, kinds=pii.SECRET_KINDS)] == ["github_token"]


def test_national_numbers_belong_to_their_regions() -> None:
    text = "call 020 7946 0958"
    assert pii.find(text, regions=["GB"]) != []
    assert pii.find(text, regions=[]) == []
    assert [s.kind for s in pii.find("call +44 20 7946 0958", regions=[])] == ["phone"]


def test_of_two_readings_of_one_text_the_more_certain_stays() -> None:
    text = "IBAN GB82 WEST 1234 5698 7654 32"
    assert [s.kind for s in pii.find(text)] == ["iban"]
    assert [s.kind for s in pii.find("https://me:pa55word@example.com/x")] == ["url_password"]


def test_kinds_become_flags() -> None:
    assert (pii.flag("email"), pii.flag("jwt")) == ("pii:email", "secret:jwt")


def luhn(digits: str) -> str:
    """The digit that makes these pass the Luhn check, by its definition."""
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (2 if place % 2 == 0 else 1)
        total += value if value < 10 else value - 9
    return str(-total % 10)


@settings(max_examples=60, deadline=None)
@given(st.text("0123456789", min_size=15, max_size=15).map(lambda d: "4" + d[1:]))
def test_exactly_one_check_digit_makes_a_card(digits: str) -> None:
    right = luhn(digits)
    for sign in string.digits:
        assert pii.is_card(digits + sign) == (sign == right and len(set(digits + sign)) > 1)


@settings(max_examples=60, deadline=None)
@given(st.text("0123456789", min_size=18, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_a_wrong_digit_is_no_iban(body: str, place: int, change: int) -> None:
    check = 98 - int(body + "131400") % 97
    good = f"DE{check:02d}{body}"
    assert pii.is_iban(good)
    wrong = body[:place] + str((int(body[place]) + change) % 10) + body[place + 1 :]
    assert not pii.is_iban(f"DE{check:02d}{wrong}")


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_ordered_spans_inside_it(text: str) -> None:
    spans = pii.find(text)
    ends = [0]
    for span in spans:
        assert ends[-1] <= span.start < span.end <= len(text)
        ends.append(span.end)


def test_hostile_text_takes_time_in_proportion() -> None:
    started = time.perf_counter()
    for unit in (
        "a@",
        "1 ",
        "1.",
        "ab:",
        "sk-",
        "://a:",
        "DE12 ",
        "password=",
        "-----BEGIN PRIVATE KEY-----",
        "eyJa.",
        "+1(",
    ):
        pii.find(unit * (40_000 // len(unit)))
    assert time.perf_counter() - started < 10


def test_an_ordinary_sentence_costs_microseconds() -> None:
    words = random.Random(0).choices(
        ["the", "bank", "sent", "my", "new", "card", "to", "an", "old", "address", "yesterday", "evening"], k=40
    )
    text = " ".join(words)
    started = time.perf_counter()
    for _ in range(2_000):
        pii.find(text)
    assert time.perf_counter() - started < 1


def test_names_that_stand_for_a_secret_are_none() -> None:
    assert not secret_keys.looks_random("process.env.API_KEY1")
    assert not secret_keys.looks_random("${API_KEY_1}")
    assert not secret_keys.looks_random("12345678")
    assert not secret_keys.looks_random("administrator")
    assert secret_keys.looks_random("Xk9_p2Lm-77")
