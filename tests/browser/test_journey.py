"""A newcomer's way through a real running Studio: sign in, upload, train, read the report, download the GGUF."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.students import write_things

ROOT = Path(__file__).resolve().parents[2]
STARTED = re.compile(r"(http://127\.0\.0\.1:\d+/sign-in/once/\S+)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sign_in_link(tmp_path: Path, tiny_student: Path) -> Iterator[str]:
    """A whole Studio, started as ``make run`` does, and the link it prints for the first sign-in."""
    env = {
        **os.environ,
        "STUDIO_DATA_ROOT": str(tmp_path / "data"),
        "STUDIO_PORT": str(free_port()),
        "STUDIO_SEED_SAMPLE": "false",
        "STUDIO_MODEL_DIRS": str(tiny_student.parent),
        "STUDIO_DATABASE_URL": "",
        "STUDIO_REDIS_URL": "",
    }
    said = tmp_path / "said.txt"
    with said.open("w") as out:
        studio = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, env=env, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 90
        while not (found := STARTED.search(said.read_text())):
            assert studio.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        yield found[1]
    finally:
        studio.send_signal(signal.SIGINT)
        studio.wait(timeout=30)


def save_setting(page: Page, step: str, values: dict[str, str]) -> None:
    """Open a step on the canvas, fill in its form and save it."""
    page.locator(".react-flow__node", has_text=step).click()
    panel = page.get_by_role("region", name=f"Settings of {step}")
    expect(panel).to_be_visible()
    for label, value in values.items():
        field = panel.get_by_label(label, exact=True)
        if not field.is_visible():
            panel.get_by_text("More settings").click()
        field.fill(value)
    panel.get_by_role("button", name="Save settings").click()
    expect(panel.get_by_role("status").filter(has_text="Saved")).to_be_visible()


@pytest.mark.timeout(420)
def test_from_a_csv_to_a_downloaded_gguf(
    page: Page,
    sign_in_link: str,
    tiny_student: Path,
    tmp_path: Path,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    page.goto(sign_in_link)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password", exact=True).fill("a long enough secret")
    page.get_by_label(re.compile("confirmation")).fill("a long enough secret")
    page.get_by_role("button", name="Set password").click()

    page.get_by_role("link", name="Upload a dataset").first.click()
    page.locator("input[type=file]").set_input_files(write_things(tmp_path / "things.csv"))
    page.get_by_role("button", name="Upload and preview").click()
    expect(page.get_by_text("First rows as they will become")).to_be_visible()
    page.get_by_label("Teacher's answer").select_option("kind")
    expect(page.get_by_text("fruit").first).to_be_visible()
    page.get_by_role("button", name="Import rows").first.click()
    expect(page.get_by_text("60 rows imported")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Open the rows").click()
    expect(page.get_by_text("What is apple?").first).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Pipelines").click()
    page.get_by_role("link", name="New pipeline").first.click()
    page.get_by_role("link", name=re.compile("uploaded teacher answers")).click()
    page.get_by_role("combobox", name="Dataset", exact=True).select_option("things")
    page.get_by_role("button", name="Make pipeline").click()
    save_setting(page, "Train a student", {"Base model": f"folder:{tiny_student}", "Epochs": "3"})
    page.get_by_role("button", name="Start run").click()

    expect(page.get_by_role("heading", name=re.compile("Run 1"))).to_contain_text("Succeeded", timeout=300_000)
    expect(page.locator("metric-chart canvas").first).to_be_visible()
    page.get_by_role("link", name="Read the report").click()
    for candidate in ("Teacher", "Student"):
        expect(page.get_by_text(candidate).first).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Models").click()
    page.get_by_role("main").get_by_role("link").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Download Q8_0")).first.click()
    saved = tmp_path / "model.gguf"
    download.value.save_as(saved)
    assert saved.read_bytes()[:4] == b"GGUF"
    assert csp_violations == []
    assert page_errors == []
