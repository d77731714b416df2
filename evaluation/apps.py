"""Evaluation: is the student good enough?"""

from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    """Scorecards, reports and the models that came out."""

    name = "evaluation"
