"""What a Studio can show before anybody has uploaded anything: the sample project, and templates to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.models import Run
    from studio.models import Workspace


def seed(workspace: Workspace) -> Run:
    """Make the sample project in ``workspace`` and start its pipeline; what is there already is kept."""
    # Imported here: the generator and the templates are used where no database is set up.
    from pipelines.samples import project

    return project.make(workspace)
