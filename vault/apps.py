"""The Vault: every immutable thing."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Datasets, their versions, and the artifacts of runs."""

    name = "vault"

    def ready(self) -> None:
        """Every new version, however it came to be, gets its index for browsing."""
        from django.db.models.signals import post_save

        from vault.browsing import prepare_new

        post_save.connect(prepare_new, sender="vault.DatasetVersion", dispatch_uid="prepare-browsing")
