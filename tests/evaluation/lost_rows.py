"""An evaluation whose student loses two kinds of rows, and the training rows that it learnt from, as a dataset of the Vault."""

from __future__ import annotations

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.models import Scorecard
from evaluation.report.document import Options
from pipelines.models import StepOutput
from studio.models import Workspace
from tests.evaluation.conftest import make_step, record_evaluation
from vault import store
from vault.models import Dataset, DatasetVersion
from vault.rows import Row, assistant, write_rows

PLACES = ("Lisbon", "Oslo", "Rome", "Cairo", "Lima", "Kyoto", "Quito", "Malta", "Tunis", "Dakar", "Perth", "Riga")
LOST = [(f"somebody stole my wallet in {p} and my card too", "stolen") for p in PLACES]
ABROAD = [(f"how long does wiring money to {p} take", "transfer") for p in PLACES]
FINE = [(f"please change the address on file to {p} street {n}", "address") for n, p in enumerate(PLACES * 3)]
WRONG = {"stolen": "lost", "transfer": "cash"}


def ask(text: str, label: str, *, name: str) -> Row:
    """A row that asks ``text``."""
    prompt = [{"role": "system", "content": "Name the label."}, {"role": "user", "content": text}]
    return Row(id=name, prompt=prompt, completion=assistant(label), reference=assistant(label))  # type: ignore[arg-type]


def held_out_rows() -> list[Row]:
    """24 rows that will be lost, two of their kind that will not be, and 36 others."""
    kept = [
        ("somebody stole my wallet at home and my card too", "stolen"),
        ("how long does wiring money take", "transfer"),
    ]
    return [ask(text, label, name=f"h{n}") for n, (text, label) in enumerate([*LOST, *ABROAD, *FINE, *kept])]


def training_rows() -> list[Row]:
    """Ten rows near to each group, and some that are not."""
    texts = [(f"a thief stole my wallet and card near gate {n}", "stolen") for n in range(10)]
    texts += [(f"how long does wiring money to branch {n} take", "cash" if n < 3 else "transfer") for n in range(10)]
    texts += [(f"please change my address, number {n}", "address") for n in range(10)]
    return [ask(text, label, name=f"t{n}") for n, (text, label) in enumerate(texts)]


def student_of(rows: list[Row], *, mends: frozenset[str] = frozenset()) -> Candidate:
    """A student that loses both kinds but for the labels in ``mends``."""
    wrong = {row.id for row in rows[:24]}
    answers = {}
    for row in rows:
        label = str(row.reference_text)
        said = WRONG[label] if row.id in wrong and label not in mends else label
        answers[row.id] = Prediction(row.id, text=said, label=said)
    return Candidate("student", "Student", "student", answers)


def dataset_of(workspace: Workspace, rows: list[Row], *, slug: str) -> DatasetVersion:
    """A dataset with one version of these rows."""
    folder = store.scratch_dir(f"rows-{slug}") / "rows"
    write_rows(folder, rows)
    artifact = store.publish(folder, kind="dataset", workspace=workspace, meta={"rows": len(rows)})
    dataset = Dataset.objects.create(workspace=workspace, slug=slug, name=slug.capitalize())
    return DatasetVersion.objects.create(dataset=dataset, number=1, artifact=artifact, rows=len(rows))


def record_losing(workspace: Workspace, *, number: int = 1, mends: frozenset[str] = frozenset()) -> Scorecard:
    """The evaluation, with the version ``learnt 1`` as its run's dataset and training rows."""
    rows = held_out_rows()
    version = DatasetVersion.objects.filter(dataset__workspace=workspace, dataset__slug="learnt").first()
    version = version or dataset_of(workspace, training_rows(), slug="learnt")
    labels = ["stolen", "lost", "transfer", "cash", "address"]
    options = Options(labels=labels, facts={"Training rows": version.artifact.sha256})
    card = record_evaluation(workspace, rows, [teacher_of(rows), student_of(rows, mends=mends)], options, number=number)
    step = make_step(card.step_run.run, "dataset", position=5)
    StepOutput.objects.create(step_run=step, port="rows", artifact=version.artifact)
    return card
