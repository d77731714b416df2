"""How long the row browser's answers take over a million rows.

    python benchmarks/vault_browse.py              # 1,000,000 rows, about five minutes, 1.5 GB of disk, two cores
    python benchmarks/vault_browse.py --rows 50000

It makes the rows (``browse_rows.py``; the same seed gives the same rows and questions), the index as the worker makes it, and asks
the pages themselves through Django's test client, as a signed-in person: the whole answer with access check, database, rendering.
Each session chooses something nobody chose before (so that no list of rows is remembered), pages, and opens rows. A person who types
gets the part of the page that changes, as htmx asks for it; one question in five is a whole page.

The last line is ``RESULT browse_p95_ms=`` over all questions; the table says which kinds there were. ``--without-index`` asks the
same of the version's file alone, which is what the browser does until the worker is done.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

HX = {"HX-Request": "true"}


class Question(NamedTuple):
    """One request. ``kind`` is its line in the table; ``page`` a whole page rather than the part that changes."""

    kind: str
    path: str
    query: dict[str, Any]
    page: bool = False


def main() -> None:
    """Make the rows, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=60, help="about eight questions each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="keep what is made here, and use it again")
    parser.add_argument("--without-index", action="store_true")
    args = parser.parse_args()
    if args.data:
        args.data.mkdir(parents=True, exist_ok=True)
        run(args, args.data.resolve())
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(args, Path(folder))


def run(args: argparse.Namespace, root: Path) -> None:
    """The benchmark with its data below ``root``."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "STUDIO_DATA_ROOT": str(root),
        "STUDIO_DATABASE_URL": "",
        "STUDIO_ALLOWED_HOSTS": "testserver,localhost",
    }
    import django

    django.setup()
    version, client = prepare(args)
    base = f"/w/bench/vault/datasets/{version.dataset.slug}/v{version.number}/"
    times: dict[str, list[float]] = defaultdict(list)
    for question in questions(base, args):
        times[question.kind].append(ask(client, question))
    report(times)


def prepare(args: argparse.Namespace) -> tuple[Any, Any]:
    """The version, indexed, and a client of somebody who may look at it."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from studio.models import Membership, Role, Workspace
    from vault import browse_index, browsing, derivations, store
    from vault.models import Dataset, DatasetVersion

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    workspace, _ = Workspace.objects.get_or_create(slug="bench", defaults={"name": "Bench"})
    user, _ = User.objects.get_or_create(username="reader")
    Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": Role.VIEWER})
    dataset, _ = Dataset.objects.get_or_create(workspace=workspace, slug=f"rows-{args.rows}", defaults={"name": "Rows"})
    version = dataset.latest
    if version is None:
        artifact = publish(args, workspace)
        version = DatasetVersion.objects.create(dataset=dataset, number=1, artifact=artifact, rows=args.rows)
    made = derivations.request(version.artifact, browse_index.NAME)
    if not args.without_index and browsing.index_of(version.artifact) is None:
        began = time.perf_counter()
        derivations.run(made.pk)
        made.refresh_from_db()
        took = time.perf_counter() - began
        print(f"index: {made.state} in {took:.0f} s, {made.result.get('bytes', 0) / 1e6:.0f} MB")
    if args.without_index:
        shutil.rmtree(derivations.folder(made), ignore_errors=True)
    print(f"rows file: {store.size_of(store.path(version.artifact)) / 1e6:.0f} MB")
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return version, client


def publish(args: argparse.Namespace, workspace: Any) -> Any:
    """The artifact of the made-up rows."""
    import json

    from browse_rows import make_rows

    from vault import store
    from vault.rows import to_json, write_rows

    size = 0

    def counted() -> Iterator[Any]:
        nonlocal size
        for row in make_rows(args.rows, seed=args.seed):
            size += len(json.dumps(to_json(row), ensure_ascii=False)) + 1
            yield row

    began = time.perf_counter()
    folder = store.scratch_dir("bench-rows")
    write_rows(folder, counted())
    made = store.publish(folder, kind="dataset", workspace=workspace)
    print(f"rows: {args.rows:,} made in {time.perf_counter() - began:.0f} s, {size / 1e6:.0f} MB as JSON lines")
    return made


def questions(base: str, args: argparse.Namespace) -> Iterator[Question]:
    """Sessions of a reader: something new, its pages in both directions, some of its rows."""
    import numpy as np
    from browse_rows import CITIES, LABELS, MODELS, TAGS, WORDS, vocabulary

    words = vocabulary(np.random.default_rng(args.seed))
    random = np.random.default_rng(args.seed + 1)

    def pick(items: Any) -> Any:
        return items[int(random.integers(len(items)))]

    def word(low: int, high: int) -> str:
        return words[int(random.integers(low, min(high, WORDS)))]

    def number(low: int, high: int) -> int:
        return int(random.integers(low, high))

    kinds: list[tuple[str, Any]] = [
        ("all rows", lambda: {"after": number(0, args.rows)}),
        ("search: common word", lambda: {"q": word(3, 200)}),
        ("search: rare word", lambda: {"q": word(2_000, WORDS)}),
        ("search: two words", lambda: {"q": f"{word(3, 400)} {word(3, 400)}"}),
        ("search: part of a word", lambda: {"q": word(600, WORDS)[1:5]}),
        ("search: phrase", lambda: {"q": f'"{word(3, 60)} {word(3, 60)}"'}),
        ("search: order number", lambda: {"q": f"{7919 * number(0, args.rows) % 10_000_019:08d}"}),
        ("label", lambda: {"label": pick(LABELS)}),
        ("tag", lambda: {"tag": pick(TAGS), "min": number(40, 90)}),
        ("answer differs", lambda: {"has": "differs", "min": number(30, 200)}),
        ("length", lambda: {"min": number(40, 150), "max": number(150, 300)}),
        ("label + search", lambda: {"label": pick(LABELS), "q": word(3, 400)}),
        (
            "meta is",
            lambda: {"field": ["meta.city", "meta.model"], "op": ["is", "not"], "value": [pick(CITIES), pick(MODELS)]},
        ),
        ("meta number", lambda: {"field": "meta.cost_usd", "op": "gt", "value": str(number(100, 9000) / 1e6)}),
        ("prompt contains", lambda: {"field": "prompt", "op": "contains", "value": word(100, WORDS)}),
        (
            "answer regex",
            lambda: {"field": "answer", "op": "regex", "value": f"^{pick('abcdefrst')}.*_{pick('acdflpw')}"},
        ),
        ("id", lambda: {"field": "id", "op": "is", "value": f"t-{number(0, args.rows):07d}"}),
        ("sort by length", lambda: {"sort": pick(["prompt", "-prompt", "answer", "-answer"]), "min": number(20, 200)}),
        ("sort by label", lambda: {"sort": pick(["label", "-label"]), "tag": pick(TAGS), "max": number(60, 400)}),
        (
            "sort by meta",
            lambda: {"sort": pick(["meta.city", "-meta.cost_usd", "meta.source.line"]), "label": pick(LABELS)},
        ),
        ("sort + search", lambda: {"sort": pick(["-prompt", "meta.cost_usd"]), "q": word(3, 2_000)}),
    ]
    # The first question after a start opens files and fills caches: that is once a day, and no part of the measurement.
    yield Question("(first of all)", base, {}, page=True)
    for session in range(args.sessions):
        kind, make = kinds[session % len(kinds)]
        yield from session_of(base, kind, make(), rows=args.rows, random=random)


def session_of(base: str, kind: str, query: dict[str, Any], *, rows: int, random: Any) -> Iterator[Question]:
    """One new choice, three more pages of it, three rows opened, the same view sent to a colleague."""
    rid = int(random.integers(rows))
    yield Question(kind, base, query)
    yield Question("next page", base, {**query, "after": int(random.integers(rows))})
    yield Question("next page", base, {**query, "before": rid})
    for step in range(3):
        yield Question("open a row", f"{base}rows/{(rid + step) % rows}/", query)
    yield Question("whole page", base, query, page=True)
    if random.random() < 0.4:
        yield Question("whole page with a row", f"{base}rows/{rid}/", query, page=True)


def ask(client: Any, question: Question) -> float:
    """Milliseconds until the whole answer is there."""
    began = time.perf_counter()
    answer = client.get(question.path, question.query, headers={} if question.page else HX)
    took = 1000 * (time.perf_counter() - began)
    if answer.status_code != 200:
        raise SystemExit(f"{question} was answered with {answer.status_code}: {answer.text[:500]}")
    return took


def p95(times: list[float]) -> float:
    """The 95th percentile: the smallest time that 95 % do not exceed."""
    return sorted(times)[max(-(-95 * len(times) // 100) - 1, 0)]


def report(times: dict[str, list[float]]) -> None:
    """The table, most expensive kinds first, and the result."""
    times.pop("(first of all)")
    print(f"\n{'kind':24} {'asked':>6} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8}")
    for kind, found in sorted(times.items(), key=lambda pair: -p95(pair[1])):
        print(f"{kind:24} {len(found):6} {statistics.median(found):8.0f} {p95(found):8.0f} {max(found):8.0f}")
    everything = [t for found in times.values() for t in found]
    chosen = [
        t
        for kind, found in times.items()
        if kind not in ("next page", "open a row", "whole page", "whole page with a row")
        for t in found
    ]
    print(
        f"{'all':24} {len(everything):6} {statistics.median(everything):8.0f} {p95(everything):8.0f} {max(everything):8.0f}"
    )
    print(f"RESULT browse_first_p95_ms={p95(chosen):.0f}")
    print(f"RESULT browse_p95_ms={p95(everything):.0f}")


if __name__ == "__main__":
    main()
