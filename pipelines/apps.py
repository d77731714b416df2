"""Pipelines: specs, runs, steps, teachers, training, export."""

from django.apps import AppConfig


class PipelinesConfig(AppConfig):
    """Specs and what runs them."""

    name = "pipelines"
