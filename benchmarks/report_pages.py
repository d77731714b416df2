"""How long a report's pages take over 100,000 rows and six candidates.

    python benchmarks/report_pages.py              # 100,000 rows, six candidates, 77 labels: about three minutes, two cores
    python benchmarks/report_pages.py --rows 5000

The rows, answers and confidences are made up (seeded); everything after them is the real thing: the report builder, the files that
an evaluate step writes, the scorecard, an earlier report to hold the rows against, and the pages themselves, asked through Django's
test client as a signed-in person: access check, database, files, rendering.

The last lines are ``RESULT report_p95_ms=`` (the report's page and its standalone file's preparation) and ``RESULT explorer_p95_ms=``
(pages of rows under filters that nobody chose before, next pages, opened rows); ``…_cpu_p95_ms`` is the same in processor time, which
says less of what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

HX = {"HX-Request": "true"}
CANDIDATES = (
    ("base", "Prompted base model", "base", 0.42),
    ("base_few_shot", "Base model with 5 examples", "base", 0.55),
    ("student", "Student", "student", 0.91),
    ("student_q8", "Student Q8_0", "student", 0.91),
    ("student_q4", "Student Q4_K_M", "student", 0.89),
)
WORDS = [
    "card",
    "payment",
    "transfer",
    "cash",
    "refund",
    "fee",
    "exchange",
    "rate",
    "top-up",
    "limit",
    "balance",
    "pending",
    "declined",
    "stolen",
    "lost",
    "pin",
    "code",
    "verify",
    "identity",
    "address",
    "phone",
    "app",
    "account",
    "open",
    "close",
    "statement",
    "charge",
    "twice",
    "wrong",
    "amount",
    "abroad",
    "atm",
    "withdraw",
    "currency",
]


def main() -> None:
    """Make two reports, ask for their pages, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=77)
    parser.add_argument("--asks", type=int, default=20, help="times each kind of page is asked for")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="keep what is made here, and use it again")
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
    from django.conf import settings

    settings.RING = False
    card, client = prepare(args)
    from studio import warming

    warming.get_ready()  # as the web server does beside its first requests
    times = measure(args, card, client)
    print_table(times)


def prepare(args: argparse.Namespace) -> tuple[Any, Any]:
    """The newer of two evaluations over the same rows, and a client of somebody who may look at it."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from evaluation.models import Scorecard
    from studio.models import Membership, Role, Workspace

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    workspace, _ = Workspace.objects.get_or_create(slug="bench", defaults={"name": "Bench"})
    user, _ = User.objects.get_or_create(username="reader")
    Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": Role.EDITOR})
    card = Scorecard.objects.filter(workspace=workspace, rows=args.rows).first()
    if card is None:
        rows = make_rows(args)
        for number in (1, 2):
            card = evaluate(args, workspace, rows, number=number)
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return card, client


def labels_of(args: argparse.Namespace) -> list[str]:
    """Names of the labels."""
    chance = random.Random(args.seed)
    return [f"{'_'.join(chance.sample(WORDS, 3))}_{n}" for n in range(args.labels)]


def make_rows(args: argparse.Namespace) -> list[Any]:
    """Short questions, a teacher that is right on 97 % of them, references everywhere."""
    from vault.rows import Row, assistant

    chance, labels = random.Random(args.seed + 1), labels_of(args)
    rows = []
    for n in range(args.rows):
        right = chance.choice(labels)
        said = right if chance.random() < 0.97 else chance.choice(labels)
        question = " ".join(chance.choices(WORDS, k=chance.randint(6, 40)))
        rows.append(
            Row(
                id=f"row-{n}",
                prompt=[{"role": "system", "content": "Name the intent."}, {"role": "user", "content": question}],
                completion=assistant(said),
                reference=assistant(right),
                tags=[chance.choice(("web", "app", "phone"))],
                meta={"model": "big", "cost_usd": 0.0004, "latency_ms": 900.0 + chance.random() * 300},
            )
        )
    return rows


def answers_of(rows: list[Any], labels: list[str], *, accuracy: float, chance: random.Random) -> dict[str, Any]:
    """What a local candidate answered; one row in 500 fails."""
    from evaluation.candidates.predictions import Prediction

    found = {}
    for row in rows:
        if chance.random() < 0.002:
            found[row.id] = Prediction(row.id, error="The prompt is longer than the model's context.")
            continue
        right = row.reference_text
        said = right if chance.random() < accuracy else chance.choice(labels)
        sure = min(0.999, max(0.02, chance.gauss(0.92 if said == right else 0.5, 0.12)))
        timed = 30 + chance.random() * 20 if chance.random() < 0.01 else None
        found[row.id] = Prediction(row.id, text=said, label=said, confidence=sure, latency_ms=timed)
    return found


def evaluate(args: argparse.Namespace, workspace: Any, rows: list[Any], *, number: int) -> Any:
    """A finished run with its report, as an evaluate step leaves it."""
    from django.utils import timezone

    from evaluation.candidates.predictions import Candidate, teacher_of
    from evaluation.report.document import Options, build_report
    from evaluation.report.scorecards import record_scorecard
    from evaluation.rows.items import write_items
    from pipelines.models import Pipeline, PipelineVersion, Run, StepOutput, StepRun
    from studio.jobs import State
    from vault import store

    labels, chance = labels_of(args), random.Random(args.seed + 10 * number)
    candidates = [teacher_of(rows)]
    for name, label, kind, accuracy in CANDIDATES:
        answers = answers_of(rows, labels, accuracy=accuracy - 0.02 * (2 - number), chance=chance)
        candidates.append(Candidate(name, label, kind, answers, usd_per_row=0.00001, rows_per_second=20.0))  # type: ignore[arg-type]
    began = time.perf_counter()
    facts = {"Student": f"{number}" * 64, "Held-out rows": "ab" * 32}
    report = build_report(rows, candidates, Options(labels=labels, seed=args.seed, facts=facts))
    built = time.perf_counter()
    folder = store.scratch_dir(f"report-{number}")
    (folder / "report.json").write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    write_items(folder / "items.parquet", rows, candidates)
    written = time.perf_counter()
    artifact = store.publish(folder, kind="report", workspace=workspace)
    print(
        f"report {number}: built in {built - began:.0f} s, rows written in {written - built:.0f} s, {artifact.size / 1e6:.0f} MB"
    )
    pipeline, _ = Pipeline.objects.get_or_create(workspace=workspace, slug="bench", defaults={"name": "Bench"})
    version, _ = PipelineVersion.objects.get_or_create(
        pipeline=pipeline, number=1, defaults={"spec": {}, "digest": "0"}
    )
    made = Run.objects.create(workspace=workspace, version=version, number=number + args.rows, state=State.SUCCEEDED)
    now = timezone.now()
    step = StepRun.objects.create(
        run=made, node="evaluate", position=0, step="evaluate", version=1, queue="cpu", state=State.SUCCEEDED, attempt=1,
        started_at=now, finished_at=now,
    )  # fmt: skip
    StepOutput.objects.create(step_run=step, port="report", artifact=artifact)
    return record_scorecard(step)


class Took(NamedTuple):
    """One answer's milliseconds by the clock and of the processor."""

    wall: float
    cpu: float


def measure(args: argparse.Namespace, card: Any, client: Any) -> dict[tuple[str, str], list[Took]]:
    """``{(report or explorer, kind of page): what each took}``."""
    chance = random.Random(args.seed + 99)
    report = card.get_absolute_url()
    rows = f"{report}rows/"
    labels = labels_of(args)
    times: dict[tuple[str, str], list[Took]] = defaultdict(list)

    def ask(group: str, kind: str, path: str, query: dict[str, Any], *, part: str = "") -> Any:
        headers = HX | {"HX-Target": f"div#{part}"} if part else {}
        began, worked = time.perf_counter(), time.process_time()
        answer = client.get(path, query, headers=headers)
        body = answer.getvalue()
        times[group, kind].append(Took(1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)))
        if answer.status_code != 200:
            raise SystemExit(f"{path} {query}: {answer.status_code}")
        return body

    for n in range(args.asks):
        ask("report", "report", report, {})
        ask("report", "report, all labels", report, {"labels": "all", "matrix": "all"})
        ask(
            "explorer", "first page", rows, {"view": chance.choice(("all", "wrong", "lost", "won", "unsure", "failed"))}
        )
        ask("explorer", "page in the middle", rows, {"after": chance.randrange(args.rows)}, part="results")
        ask(
            "explorer",
            "view, page in the middle",
            rows,
            {"view": "wrong", "after": chance.randrange(args.rows)},
            part="results",
        )
        ask(
            "explorer",
            "changed since",
            rows,
            {"view": chance.choice(("changed", "fixed", "broken")), "after": chance.randrange(args.rows)},
            part="results",
        )
        ask(
            "explorer",
            "label pair",
            rows,
            {"label": chance.choice(labels), "answer": chance.choice(labels)},
            part="results",
        )
        ask(
            "explorer",
            "sorted",
            rows,
            {"sort": ("confidence", "-wrong", "-length")[n % 3], "label": chance.choice(labels)},
            part="results",
        )
        ask(
            "explorer",
            "search",
            rows,
            {"q": f"{chance.choice(WORDS)} {chance.choice(WORDS)[:4]}{'' if n % 2 else n}"},
            part="results",
        )
        ask("explorer", "less sure than", rows, {"below": f"{chance.uniform(0.3, 0.99):.4f}"}, part="results")
        ask("explorer", "opened row", rows, {"row": chance.randrange(args.rows), "view": "all"}, part="drawer")
    return times


def print_table(times: dict[tuple[str, str], list[Took]]) -> None:
    """Medians, 95th percentiles, and the results."""
    print(f"{'page':28} {'asked':>6} {'median':>8} {'p95':>8} {'worst':>8} {'cpu median':>11} {'cpu p95':>8}")
    groups: dict[str, list[Took]] = defaultdict(list)
    for (group, kind), found in times.items():
        groups[group] += found
        wall, cpu = [took.wall for took in found], [took.cpu for took in found]
        print(
            f"{kind:28} {len(found):6d} {statistics.median(wall):8.0f} {p95(wall):8.0f} {max(wall):8.0f}"
            f" {statistics.median(cpu):11.0f} {p95(cpu):8.0f}"
        )
    for group in ("report", "explorer"):
        print(f"RESULT {group}_cpu_p95_ms={p95([took.cpu for took in groups[group]]):.0f}")
    for group in ("report", "explorer"):
        print(f"RESULT {group}_p95_ms={p95([took.wall for took in groups[group]]):.0f}")


def p95(values: list[float]) -> float:
    """The 95th percentile by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]


if __name__ == "__main__":
    main()
