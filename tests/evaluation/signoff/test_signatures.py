"""What a sign-off says of one model file."""

from __future__ import annotations

from django.contrib.auth.models import User

from evaluation.models import Scorecard
from evaluation.signoff import signatures
from pipelines.models import StepOutput
from tests.evaluation.conftest import make_step, publish_folder
from tests.evaluation.signoff.conftest import say


def test_a_file_that_was_there_is_signed_and_a_later_one_only_by_its_student(card: Scorecard, reviewer: User) -> None:
    models = []
    for position, name in enumerate(("before", "after")):
        model = publish_folder(card.workspace, "gguf", {"a.gguf": name.encode()}, name=name)
        step = make_step(card.step_run.run, f"export{position}", position=2 + position)
        StepOutput.objects.create(step_run=step, port="gguf", artifact=model)
        models.append(model)
        if name == "before":
            assert signatures.of(card, model) is None
            say(card, reviewer)
    texts = [found.text for model in models if (found := signatures.of(card, model))]
    assert texts == ["this very file is part of what was signed", "its student is signed; this file was made later"]
