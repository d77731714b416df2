"""The report as one HTML file: styles inside, pictures inside, no script, nothing asked of any server; and the same as PDF."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import mark_safe

from evaluation.boards.tables import open_items
from evaluation.models import Scorecard
from evaluation.report import page as report_page
from evaluation.report.scorecards import read_report
from evaluation.signoff.statement import statement_of
from studio.lib.errors import StudioError
from studio.lib.extras import install_command

MOST_ROWS = 200
PDF_ROWS = 30
"""A PDF is for reading; laying out wide tables takes its time."""

STYLESHEET = "css/studio.css"


PRINT_SVG = (
    "<style>text{font:11px sans-serif;fill:#57514a}.name{fill:#1d1a17}.grid{stroke:#e8e4de}.axis{stroke:#d3ccc3}"
    ".ref{stroke:#d3ccc3;stroke-dasharray:4 4}.front{fill:none;stroke:#d3ccc3;stroke-dasharray:2 3}.ring{fill:none}"
    ".role-teacher .mark{fill:#4f46c8}.role-base .mark{fill:#78716c}.role-student .mark{fill:#b35a26}"
    ".role-quantised .mark{fill:#d69a70}.role-outside .mark{fill:#0f766e}.role-outside line,.role-outside .ring{stroke:#0f766e}.role-teacher line,.role-teacher .ring{stroke:#4f46c8}"
    ".role-base line,.role-base .ring{stroke:#78716c}.role-student line,.role-student .ring{stroke:#b35a26}"
    ".role-quantised line,.role-quantised .ring{stroke:#d69a70}.across{stroke-dasharray:5 4}.dot{fill:#b35a26}.line{stroke:#b35a26}</style>"
)
"""A PDF writer gives a picture only the styles that stand in it."""


class NoPdf(StudioError):
    """The library that writes PDF files is not installed, or lacks its system libraries."""


def render_file(
    card: Scorecard, report: dict[str, Any] | None = None, *, most_rows: int = MOST_ROWS, css: str | None = None
) -> str:
    """The report as one HTML document, with its sign-off. Raises ``vault.store.Damaged`` when its files are gone.

    ``most_rows`` 0: no question and no answer, for readers who may not see the data. ``css``: another stylesheet than the Studio's own.
    """
    found = report or read_report(card.report)
    table = open_items(card, found)
    context = {
        **report_page.report_context(card, found, rows_url="", all_labels=True),
        "since": report_page.since_earlier(card, table, rows_url=""),
        "sample": report_page.file_rows(table, most=most_rows),
        "signed": statement_of(card),
        "standalone": True,
        "title": report_page.title_of(card),
        "written_at": timezone.now(),
        "css": mark_safe(css or inline_css()),  # noqa: S308 -- our own stylesheet
        "svg_css": mark_safe(PRINT_SVG if css else ""),  # noqa: S308 -- constant
    }
    return render_to_string("evaluation/report_file.html", context)


@lru_cache(maxsize=1)
def _read_css(path: str, changed: float) -> str:
    css = Path(path).read_text(encoding="utf-8")
    # Fonts would be outside requests; the reader's own stand in for them.
    css = re.sub(r"@font-face\s*\{[^}]*\}", "", css)
    css = re.sub(r"url\((?!#)[^)]*\)", "none", css)
    return css.replace("</", "<\\/")


def inline_css() -> str:
    """The Studio's stylesheet without anything that would be fetched."""
    path = finders.find(STYLESHEET) or str(Path(settings.STATIC_ROOT) / STYLESHEET)
    return _read_css(str(path), Path(path).stat().st_mtime)


def render_pdf(card: Scorecard, report: dict[str, Any] | None = None, *, most_rows: int = PDF_ROWS) -> bytes:
    """The report as a PDF. Raises :class:`NoPdf` when WeasyPrint or the libraries it needs are missing."""
    try:
        import weasyprint
    except (ImportError, OSError) as problem:
        raise NoPdf(
            "PDF files need WeasyPrint, which is not ready on this machine.",
            action=f"Run {install_command('pdf')} and install Pango (Debian: apt install libpango-1.0-0 "
            "libpangoft2-1.0-0); or open the HTML file and print it to PDF from the browser.",
        ) from problem
    html = render_file(card, report, most_rows=most_rows, css=render_to_string("evaluation/report_print.css"))
    found: bytes = weasyprint.HTML(string=html, url_fetcher=_refuse).write_pdf()
    return found


def _refuse(url: str, *_: Any, **__: Any) -> Any:
    """A report fetches nothing."""
    raise ValueError(f"A report asks for nothing, but this was wanted: {url[:80]}")
