from __future__ import annotations

import pytest

from vault.markdown import render


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&#58;alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "[x](/w/lab/settings/)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "<a href='http://x' onclick='y'>z</a>",
        '[x](http://a" onmouseover="alert(1))',
        "`<b>`\n\n```html\n<iframe src=x>\n```",
        "<!-- <script>x</script> -->",
        "| a |\n|:-:|\n| <svg onload=x> |",
    ],
)
def test_nothing_in_a_row_becomes_markup_that_acts(text: str) -> None:
    from html.parser import HTMLParser

    found: list[tuple[str, dict[str, str | None]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Parser().feed(render(text))
    allowed = {"p", "a", "code", "pre", "span", "table", "thead", "tbody", "tr", "th", "td", "br"}
    assert {tag for tag, _ in found} <= allowed
    for _, attrs in found:
        assert set(attrs) <= {"dir", "href", "rel", "target", "class", "title"}
        assert (attrs.get("href") or "http:").startswith(("http:", "https:", "mailto:"))


def test_links_carry_no_trust_and_pictures_are_not_fetched() -> None:
    page = render("[here](https://a.example) ![a cat](https://b.example/cat.png)")
    assert page.count('rel="nofollow noopener noreferrer"') == 2 and "<img" not in page
    assert "a cat" in page and 'href="https://b.example/cat.png"' in page


def test_markdown_is_laid_out() -> None:
    page = render("# Title\n\n- one\n- **two**\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\nfirst\nsecond")
    assert "<h4" in page and "<h1" not in page and "<strong>two</strong>" in page and "<td" in page
    assert "style=" not in page and "first<br />" in page and '<li dir="auto">' in page


def test_null_characters_are_shown_as_such() -> None:
    assert "a\ufffdb" in render("a\0b")
