"""How the canvas holds up with a thousand steps: opening, panning, zooming, dragging, saving, in headless Chromium.

    python benchmarks/canvas.py                    # 1,000 steps, about a minute on two idle cores
    python benchmarks/canvas.py --nodes 200

A pipeline of branches (a dataset, then chains of filters side by side) is stored in a database of its own and opened in a real
browser. Frames are measured by ``requestAnimationFrame`` while the mouse drags the canvas, turns the wheel and drags a step; the
save is the time from the request to the server's whole answer. ``judge_ms`` is the server's own work for one save, without a browser.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CHAIN = 20
"""Steps of one branch."""
RECORD = """() => { window.gaps = []; window.recording = true; let last = performance.now();
  const tick = (now) => { window.gaps.push(now - last); last = now; if (window.recording) requestAnimationFrame(tick); };
  requestAnimationFrame(tick); }"""
STOP = "() => { window.recording = false; return window.gaps.slice(1); }"


def spec_of(count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A spec of ``count`` steps and a layout in columns."""
    nodes: list[dict[str, Any]] = [{"id": "data", "step": "dataset", "params": {"dataset": "x"}}]
    edges, places = [], {"data": [0, 0]}
    for n in range(count - 1):
        row, column = divmod(n, CHAIN)
        nodes.append({"id": f"n{n}", "step": "filter_length", "params": {"prompt_max": 1000 + n}})
        edges.append({"from": "data.rows" if column == 0 else f"n{n - 1}.rows", "to": f"n{n}.rows"})
        places[f"n{n}"] = [(column + 1) * 304, row * 160]
    return {"schema": 1, "nodes": nodes, "edges": edges}, {"nodes": places, "notes": []}


def main() -> None:
    """Make the pipeline, serve it, drive the browser, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--data", type=Path, help="not used: nothing of this is worth keeping")
    parser.add_argument("--picture", type=Path, help="where to keep a picture of the canvas seen from near")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STUDIO_DATA_ROOT"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "studio.settings"
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        run(args, Path(folder))


def run(args: argparse.Namespace, folder: Path) -> None:
    """All of it, in a data root of its own."""
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.management import call_command
    from django.test import Client
    from django.test.testcases import LiveServerThread

    from pipelines.models import Pipeline
    from studio.models import Membership, Workspace

    settings.ALLOWED_HOSTS = ["*"]
    settings.RING = False
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    call_command("migrate", verbosity=0)
    workspace = Workspace.objects.create(slug="bench", name="Bench")
    user = User.objects.create_user("bench")
    Membership.objects.create(workspace=workspace, user=user, role="owner")
    spec, layout = spec_of(args.nodes)
    pipeline = Pipeline.objects.create(workspace=workspace, slug="big", name="Big", draft=spec, layout=layout)
    client = Client(raise_request_exception=True)
    client.force_login(user)
    judged = []
    for _ in range(5):
        pipeline.refresh_from_db()
        begun = time.perf_counter()
        body = {"revision": pipeline.revision, "spec": spec, "layout": layout}
        answer = client.post(f"{pipeline.get_absolute_url()}draft/", json.dumps(body), content_type="application/json")
        judged.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.content[:300]
    tell("judge_ms", statistics.median(judged))
    server = LiveServerThread("127.0.0.1", StaticFilesHandler)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    try:
        browse(args, f"http://127.0.0.1:{server.port}{pipeline.get_absolute_url()}", client.cookies["sessionid"].value)
    finally:
        server.terminate()


def browse(args: argparse.Namespace, address: str, session: str) -> None:
    """Open the page, move about, drag a step, wait for its save."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": session, "domain": "127.0.0.1", "path": "/"}])
        page = context.new_page()
        begun = time.perf_counter()
        page.goto(address, timeout=120_000)
        page.wait_for_selector(".react-flow__node, .cfar", timeout=120_000)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        tell("load_ms", (time.perf_counter() - begun) * 1000)
        tell("drawn_nodes", page.locator(".react-flow__node").count())
        box = page.locator(".react-flow__pane").bounding_box()
        assert box is not None
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

        def show_all() -> None:
            page.keyboard.press("f")
            page.wait_for_timeout(600)

        def drag_from(x: float, y: float) -> None:
            page.mouse.move(x, y)
            page.mouse.down()
            for n in range(60):
                page.mouse.move(x + (n if n < 30 else 60 - n) * 8, y + (n if n < 30 else 60 - n) * 5)
            page.mouse.up()

        def zoom() -> None:
            page.mouse.move(*middle)
            page.keyboard.down("Control")
            for n in range(40):
                page.mouse.wheel(0, -40 if n < 20 else 40)
            page.keyboard.up("Control")

        show_all()
        frames(page, "pan", lambda: drag_from(box["x"] + 60, box["y"] + 120))
        show_all()
        frames(page, "zoom", zoom)
        show_all()

        def approach() -> None:
            page.mouse.move(*middle)
            page.keyboard.down("Control")
            for _ in range(48):
                page.mouse.wheel(0, -40)
            page.keyboard.up("Control")

        frames(page, "approach", approach)
        page.wait_for_timeout(500)
        page.screenshot(path=args.picture) if args.picture else None
        tell("drawn_nodes_near", page.locator(".react-flow__node").count())
        spot = page.locator(".react-flow__node").first.bounding_box()
        assert spot is not None
        # Between two columns, where no box is.
        frames(page, "pan_near", lambda: drag_from(spot["x"] + spot["width"] * 1.12, middle[1]))
        node = next(
            b
            for b in (h.bounding_box() for h in page.locator(".react-flow__node").all())
            if b
            and box["x"] < b["x"] < box["x"] + box["width"] - 200
            and box["y"] + 60 < b["y"] < box["y"] + box["height"] - 120
        )

        def drag() -> None:
            page.mouse.move(node["x"] + 20, node["y"] + 10)
            page.mouse.down()
            for n in range(40):
                page.mouse.move(node["x"] + 20 + n * 3, node["y"] + 10 + n)
            page.mouse.up()

        with page.expect_response(lambda r: r.url.endswith("/draft/"), timeout=60_000) as saved:
            frames(page, "drag", drag)
        timing = saved.value.request.timing
        saved.value.finished()
        tell("save_ms", max(timing["responseEnd"], timing["responseStart"]) - timing["requestStart"])
        metrics = context.new_cdp_session(page)
        metrics.send("Performance.enable")
        values = {m["name"]: m["value"] for m in metrics.send("Performance.getMetrics")["metrics"]}
        tell("heap_mb", values["JSHeapUsedSize"] / 1e6)
        browser.close()


def frames(page: Any, name: str, work: Any) -> None:
    """Do ``work`` while frames are counted; the median and the 95th percentile of the gaps between them."""
    page.evaluate(RECORD)
    work()
    page.wait_for_timeout(200)
    gaps = sorted(page.evaluate(STOP))
    tell(f"{name}_frame_p50_ms", gaps[len(gaps) // 2])
    tell(f"{name}_frame_p95_ms", gaps[int(len(gaps) * 0.95)])


def tell(name: str, value: float) -> None:
    """One result line."""
    sys.stdout.write(f"RESULT canvas_{name}={value:.1f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
