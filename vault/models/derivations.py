"""What is computed once from an artifact and can be computed again: search index, profile."""

from __future__ import annotations

from typing import Any, Self

from django.db import models

from studio.jobs import Job
from vault.models.datasets import Artifact


class Derivation(Job):
    """One computation over a dataset artifact, done once for each set of parameters.

    ``name`` says which (the code that does it is found by it in ``vault.derivations``); ``result`` is what pages show. Its
    files lie in ``vault.store.derived_dir`` and may be deleted at any time: they are then made again.
    """

    task = "vault.tasks.derive"

    artifact = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="derivations")
    name = models.CharField(max_length=40)
    params: Any = models.JSONField(default=dict)
    params_hash = models.CharField(max_length=64)
    result: Any = models.JSONField(default=dict)

    class Meta(Job.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["artifact", "name", "params_hash"], name="one_derivation_a_question")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.artifact}"

    @property
    def queue_name(self) -> str:
        """It reads whole datasets: a processor's work."""
        return "cpu"

    @property
    def room(self) -> Any:
        """The workspace of what it is computed from."""
        return self.artifact.workspace_id

    @classmethod
    def list_running(cls) -> models.QuerySet[Self]:
        """What is being computed, with what it is computed from."""
        return super().list_running().select_related("artifact")
