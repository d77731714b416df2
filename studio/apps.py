"""Makes the Celery application current before any task is called."""

from django.apps import AppConfig


class StudioConfig(AppConfig):
    """The project's own app: accounts, workspaces, jobs, audit."""

    name = "studio"

    def ready(self) -> None:
        """Load the Celery application and the system checks."""
        from studio import celery, checks  # noqa: F401
