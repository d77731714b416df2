"""The Vault's tables, one file for each concern."""

from vault.models.datasets import Artifact, ArtifactKind, Dataset, DatasetVersion
from vault.models.derivations import Derivation
from vault.models.drafts import Draft, EditOperation
from vault.models.hub import HubFetch
from vault.models.reviews import ReviewItem, ReviewRound, ReviewSeat, ReviewTask
from vault.models.uploads import Upload

__all__ = [
    "Artifact",
    "ArtifactKind",
    "Dataset",
    "DatasetVersion",
    "Derivation",
    "Draft",
    "EditOperation",
    "HubFetch",
    "ReviewItem",
    "ReviewRound",
    "ReviewSeat",
    "ReviewTask",
    "Upload",
]
