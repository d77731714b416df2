"""Files sent in pieces by the page's script: lost pieces, a reload in the middle, several files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from vault import arrivals, ingest
from vault.models import Upload


@pytest.mark.django_db(transaction=True)
def test_an_upload_survives_lost_pieces_and_a_reload(
    page: Page,
    live_server: Any,
    signed_in: User,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    monkeypatch.setattr(arrivals, "PIECE", 1_000)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("text,label\n" + "".join(f"Question {n},answer\n" for n in range(300)))
    second.write_text("text,label\nThe last,answer\n")
    seen: list[str] = []
    cut_off = True

    def watch(route: Route) -> None:
        seen.append(route.request.url)
        if cut_off and len(seen) > 3:
            return  # Never answered, as when the network is gone.
        if len(seen) == 2:
            route.abort()
        else:
            route.continue_()

    page.route("**/arrivals/*/?offset=*", watch)
    page.goto(f"{live_server.url}/w/lab/vault/upload/")
    page.set_input_files("input[type=file]", [first, second])
    page.get_by_label("One dataset of all files").check()
    page.get_by_role("button", name="Upload and preview").click()
    expect(page.locator("[data-upload-files] li").first).to_contain_text("2.0\xa0kB /")
    expect(page.locator("[data-upload-files] li").nth(1)).to_contain_text("Waiting")

    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    cut_off = False
    expect(page.get_by_role("main")).to_contain_text("Choose the same file again")
    page.set_input_files("input[type=file]", [first, second])
    page.get_by_role("button", name="Upload and preview").click()
    page.wait_for_url("**/uploads/**")
    expect(page.locator("#preview")).to_contain_text("301")
    upload = Upload.objects.get()
    folder = ingest.source_path(upload)
    assert (folder / "first.csv").read_bytes() == first.read_bytes()
    assert (folder / "second.csv").read_bytes() == second.read_bytes()
    resumed = [url for url in seen if "offset=0&" in url and upload.findings["arrivals"][0] in url]
    assert len(resumed) == 1, "the reload began at the file's start"
    # The browser itself gives up the fade between two pages when the reader is asked whether to leave.
    assert csp_violations == [] and [text for text in page_errors if "ViewTransition" not in text] == []
