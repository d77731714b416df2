"""Evaluation: is the student good enough?"""

from typing import Any

from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    """Scorecards, reports and the models that came out."""

    name = "evaluation"

    def ready(self) -> None:
        """Tell the others what they can't know: what was made with the Vault's versions, how sure their students were,
        what waits for whose signature, and how lost rows are grouped. Follow who joins and leaves a team."""
        from django.db.models.signals import post_delete, post_save

        from evaluation.blind import rounds
        from evaluation.confidences import student_confidences
        from evaluation.losses import losing
        from evaluation.signoff.waiting import waiting_items
        from evaluation.uses import find_uses
        from studio import waiting
        from studio.models import Membership
        from vault import derivations, uses
        from vault.reviewing import confidence

        uses.register(find_uses)
        derivations.register(losing.NAME, "evaluation.losses.losing.derive")
        confidence.register(student_confidences)
        waiting.register(waiting_items)
        waiting.register(rounds.waiting_items)
        post_delete.connect(_people_changed, sender=Membership)
        post_save.connect(_people_changed, sender=Membership)


def _people_changed(instance: Any, **_: Any) -> None:
    """Void what a person who left the team had signed."""
    from evaluation.signoff.settling import people_changed

    people_changed(instance.workspace)
