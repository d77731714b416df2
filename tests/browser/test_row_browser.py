"""The row browser in a real browser: keys along the rows, a row in its drawer, an order, a condition on any field."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from vault import store
from vault.models import Dataset, DatasetVersion
from vault.rows import Row, assistant, write_rows

pytestmark = pytest.mark.browser


@pytest.mark.django_db(transaction=True)
def test_rows_are_walked_by_keys_sorted_and_filtered(
    page: Page, live_server: Any, signed_in: User, workspace: Any, csp_violations: list[str], page_errors: list[str]
) -> None:
    folder = store.scratch_dir("rows")
    rows = [
        Row(
            f"r{n}", [{"role": "user", "content": f"**Question** {'x' * (n % 3)} {n}"}], assistant("yes"), meta={"n": n}
        )
        for n in range(9)
    ]
    write_rows(folder, rows)
    artifact = store.publish(folder, kind="dataset", workspace=workspace)
    dataset = Dataset.objects.create(workspace=workspace, slug="few", name="Few")
    DatasetVersion.objects.create(dataset=dataset, number=1, artifact=artifact, rows=9)
    base = f"{live_server.url}/w/lab/vault/datasets/few/v1/"
    page.goto(base)

    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    expect(page.locator("tr[aria-selected] .row-link")).to_contain_text("**Question** x 1")
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="Row 2")
    expect(drawer.locator(".prose strong").first).to_have_text("Question")
    page.keyboard.press("j")
    expect(page.get_by_role("dialog", name="Row 3")).to_be_visible()
    expect(page).to_have_url(base + "rows/2/")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer .drawer")).to_have_count(0)
    expect(page.locator("tr[aria-selected]")).to_have_count(1)

    page.keyboard.press("?")
    expect(page.locator("#keys-list")).to_contain_text("Next and previous row")
    page.keyboard.press("Escape")

    page.get_by_label("Order").select_option("-meta.n")
    expect(page.locator(".rows-table tbody tr").first).to_contain_text("xx 8")
    expect(page).to_have_url(base + "?sort=-meta.n")
    page.get_by_text("Any field").click()
    page.get_by_label("Field", exact=True).select_option("meta.n")
    page.get_by_label("Comparison").select_option("lt")
    page.get_by_label("Value", exact=True).fill("3")
    page.get_by_role("button", name="Add filter").click()
    expect(page.locator(".rows-table tbody tr")).to_have_count(3)
    assert csp_violations == [] and page_errors == []
