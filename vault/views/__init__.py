"""Pages of the Vault."""
