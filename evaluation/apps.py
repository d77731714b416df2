"""Evaluation: is the student good enough?"""

from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    """Scorecards, reports and the models that came out."""

    name = "evaluation"

    def ready(self) -> None:
        """Tell the Vault what was made with its versions, and how sure their students were."""
        from evaluation.confidences import student_confidences
        from evaluation.uses import find_uses
        from vault import uses
        from vault.reviewing import confidence

        uses.register(find_uses)
        confidence.register(student_confidences)
