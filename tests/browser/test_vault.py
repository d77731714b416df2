"""From a file to its rows in a real browser: upload, mapping with live preview, import, search, a row in its drawer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_faults
from vault import ingest
from vault.models import Upload

CSV = (
    "text,label,city\n"
    "Where is my card?,card_arrival,Rome\n"
    "\"<img src=x onerror='document.title=1'> & more\",declined_card,Oslo\n"
    "ragged\n"
    "Top up failed,top_up,Rome\n"
)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    """A file with one bad line and one row full of HTML."""
    path = tmp_path / "tickets.csv"
    path.write_text(CSV)
    return path


@pytest.mark.django_db(transaction=True)
def test_a_file_becomes_rows_that_can_be_searched_and_opened(
    page: Page, live_server: Any, signed_in: User, csv_file: Path, csp_violations: list[str], page_errors: list[str]
) -> None:
    page.goto(f"{live_server.url}/w/lab/vault/")
    page.get_by_role("main").get_by_role("link", name="Upload rows").first.click()
    page.set_input_files("input[type=file]", csv_file)
    expect(page.locator("[data-upload-label]")).to_contain_text("tickets.csv")
    page.get_by_label("Dataset name").fill("Tickets")
    page.get_by_role("button", name="Upload and preview").click()

    preview = page.locator("#preview")
    expect(preview).to_contain_text("The line has 1 field, but there are 3 columns.")
    page.get_by_label("Teacher's answer").select_option("label")
    expect(preview.locator(".message-answer").first).to_contain_text("card_arrival")
    page.get_by_label("Prompt", exact=True).fill("From {city}: {text}")
    expect(preview).to_contain_text("From Rome: Where is my card?")
    page.get_by_label("Import the good rows only").check()
    page.locator(".page-actions").get_by_role("button", name="Import rows").click()

    expect(page.locator("#upload-status")).to_contain_text("Waiting for a worker")
    ingest.run_upload(Upload.objects.get().pk)
    page.get_by_role("link", name="Open the rows").click()

    expect(page.locator(".rows-table tbody tr")).to_have_count(3)
    page.get_by_placeholder("Search rows").fill("oslo")
    expect(page.locator(".rows-table tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{live_server.url}/w/lab/vault/datasets/tickets/v1/?q=oslo")
    page.locator(".rows-table .row-link").click()
    drawer = page.get_by_role("dialog", name="Row 2")
    expect(drawer).to_contain_text("<img src=x onerror='document.title=1'> & more")
    expect(page).to_have_url(f"{live_server.url}/w/lab/vault/datasets/tickets/v1/rows/1/?q=oslo")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    page.reload()
    expect(page.locator(".rows-table tbody tr")).to_have_count(1)
    assert csp_violations == [] and page_errors == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_every_page_of_the_vault_fits_the_window_and_is_accessible(
    page: Page, live_server: Any, signed_in: User, workspace: Any, csv_file: Path, width: int
) -> None:
    params = {"prompt": "{text}", "completion": "label"}
    ingest.import_file(csv_file, workspace=workspace, name="Tickets", params=params, good_rows_only=True)
    page.set_viewport_size({"width": width, "height": 844})
    root = f"{live_server.url}/w/lab/vault/"
    for path in (
        "",
        "upload/",
        "datasets/tickets/",
        "datasets/tickets/v1/rows/0/",
        "datasets/tickets/v1/profile/",
        "datasets/tickets/versions/",
    ):
        page.goto(root + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert find_faults(page) == [], path
