"""The public benchmarks that may be asked: tasks that ship inside ``lm-eval`` and choose among given answers. Plain data.

Nothing a user writes becomes a task definition, for such a definition may name Python code to run. A task is here when its definition
in the package names one dataset in Parquet files, generates no text and runs none; ``tests/recipes/test_benchmarks.py`` holds this table
against the installed package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REVISION = "refs/convert/parquet"
"""The hub's own conversion of every public dataset to Parquet: ``<config>/<split>/0000.parquet``."""


@dataclass(frozen=True)
class PublicTask:
    """``folder``: where its definition lies below ``lm_eval/tasks``. ``repo`` and ``config``: its dataset on the hub. ``metric``: the figure
    that is usually reported of it; 0 or 1 for each question. ``about``: what it asks, in a few words."""

    name: str
    label: str
    folder: str
    repo: str
    config: str
    metric: str
    about: str

    def data_folder(self, root: Path) -> Path:
        """Where its dataset lies below ``root``."""
        return root / self.repo.replace("/", "--") / self.config


TASKS: dict[str, PublicTask] = {
    task.name: task
    for task in (
        PublicTask("arc_easy", "ARC easy", "arc", "allenai/ai2_arc", "ARC-Easy", "acc", "easy school science"),
        PublicTask(
            "arc_challenge", "ARC challenge", "arc", "allenai/ai2_arc", "ARC-Challenge", "acc_norm", "hard school science"
        ),
        PublicTask(
            "hellaswag", "HellaSwag", "hellaswag", "Rowan/hellaswag", "default", "acc_norm", "how a scene goes on"
        ),
        PublicTask(
            "winogrande", "WinoGrande", "winogrande", "allenai/winogrande", "winogrande_xl", "acc", "who is meant"
        ),
        PublicTask("piqa", "PIQA", "piqa", "baber/piqa", "default", "acc_norm", "how everyday things are done"),
        PublicTask("boolq", "BoolQ", "super_glue", "aps/super_glue", "boolq", "acc", "yes or no about a passage"),
        PublicTask("copa", "COPA", "super_glue", "aps/super_glue", "copa", "acc", "cause and effect"),
        PublicTask("openbookqa", "OpenBookQA", "openbookqa", "allenai/openbookqa", "main", "acc_norm", "science facts put to use"),
        PublicTask("sciq", "SciQ", "sciq", "allenai/sciq", "default", "acc", "science questions with a passage"),
        PublicTask(
            "commonsense_qa", "CommonsenseQA", "commonsense_qa", "tau/commonsense_qa", "default", "acc", "common sense"
        ),
        PublicTask(
            "truthfulqa_mc1",
            "TruthfulQA",
            "truthfulqa",
            "truthfulqa/truthful_qa",
            "multiple_choice",
            "acc",
            "common falsehoods",
        ),
        PublicTask(
            "lambada_openai", "LAMBADA", "lambada", "EleutherAI/lambada_openai", "default", "acc", "the last word of a passage"
        ),
    )
}  # fmt: skip
OWN = "own"
"""The name under which the questions of a dataset of one's own are asked."""
