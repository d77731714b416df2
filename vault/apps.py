"""The Vault: every immutable thing."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Datasets, their versions, and the artifacts of runs."""

    name = "vault"
