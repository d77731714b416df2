"""Plain text with links and mentions."""

from __future__ import annotations

import pytest

from studio.comment_text import find_mentions, render

NAMES = ["ada", "ada.lovelace", "Grace", "bob-", "o+k@example.org"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@ada look", ["ada"]),
        ("Ask @ada.", ["ada"]),
        ("(@ada.lovelace, @GRACE)", ["ada.lovelace", "Grace"]),
        ("@ada.lovelace... and @ada", ["ada.lovelace", "ada"]),
        ("@ada @ada @Ada", ["ada"]),
        ("@bob-", ["bob-"]),
        ("@o+k@example.org", ["o+k@example.org"]),
        ("mail ada@ada.org or x@ada", []),
        ("@adam @nobody @", []),
        ("https://host/@ada", []),
    ],
)
def test_mentions_are_members_names_after_an_at(text: str, names: list[str]) -> None:
    assert find_mentions(text, NAMES) == names


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a < b & \"c\" 'd'", "a &lt; b &amp; &quot;c&quot; &#x27;d&#x27;"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("hi @ADA!", 'hi <span class="mention">@ada</span>!'),
        ("@nobody", "@nobody"),
        ("javascript:alert(1) data:x", "javascript:alert(1) data:x"),
    ],
)
def test_everything_else_is_escaped(text: str, html: str) -> None:
    assert render(text, NAMES) == html


@pytest.mark.parametrize(
    ("text", "url", "rest"),
    [
        ("see https://host/a_(b)?c=1&d=2.", "https://host/a_(b)?c=1&amp;d=2", "."),
        ("(http://host/x)", "http://host/x", ")"),
        ("https://host/<b>", "https://host/", "&lt;b&gt;"),
        ('https://host/" onmouseover="x', "https://host/", "&quot; onmouseover=&quot;x"),
        ("https://host/it's", "https://host/it", "&#x27;s"),
    ],
)
def test_addresses_become_links_without_what_ends_the_sentence(text: str, url: str, rest: str) -> None:
    html = render(text, NAMES)
    assert f'<a class="text-link" href="{url}" rel="nofollow noopener noreferrer">{url}</a>{rest}' in html


@pytest.mark.parametrize("text", ["@" * 5_000, "@" + "." * 4_999, "http://" * 700 + "https://", "@a" * 2_500])
def test_marks_without_a_name_or_host_are_only_text(text: str) -> None:
    assert find_mentions(text, NAMES) == []
    assert "mention" not in render(text, NAMES)
