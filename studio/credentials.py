"""Provider keys of a workspace: kept encrypted, used by running steps, never shown again."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from studio import audit
from studio.lib.errors import StudioError
from studio.models import ProviderCredential, Workspace
from studio.registries import TEACHERS

TEST_SECONDS = 15.0


def providers() -> list[tuple[str, str]]:
    """``(name, label)`` of every teacher that can use a key."""
    return [(name, teacher.label) for name, teacher in TEACHERS.items() if teacher.priced]


@transaction.atomic
def add(
    workspace: Workspace, *, name: str, provider: str, secret: str, base_url: str = "", by: User
) -> ProviderCredential:
    """Store a key, encrypted, for one provider and one address."""
    credential = ProviderCredential(workspace=workspace, name=name, provider=provider, base_url=base_url, created_by=by)
    credential.seal(secret)
    credential.save()
    audit.record(
        workspace, actor=by, verb="added the key", subject=name, details={"provider": provider, "address": base_url}
    )
    return credential


@transaction.atomic
def remove(credential: ProviderCredential, *, by: User) -> None:
    """Forget a key. Steps that name it say so when they start."""
    audit.record(
        credential.workspace,
        actor=by,
        verb="removed the key",
        subject=credential.name,
        details={"provider": credential.provider},
    )
    credential.delete()


@dataclass(frozen=True)
class Trial:
    """What a test of a key found: the models it may use, or what went wrong and what to do."""

    models: tuple[str, ...] = ()
    error: str = ""
    action: str = ""

    @property
    def works(self) -> bool:
        """Whether the provider accepted the key."""
        return not self.error


def test(credential: ProviderCredential) -> Trial:
    """Ask the provider for its list of models with this key: costs nothing and proves address and key."""
    kind = TEACHERS[credential.provider]
    try:
        teacher = kind.open(
            {"model": "any", "base_url": credential.base_url},
            secret=credential.reveal(),
            allowed_hosts=settings.ALLOWED_HOSTS_OUT,
            timeout=TEST_SECONDS,
        )
        models = teacher.offered_models()
    except StudioError as error:
        return Trial(error=f"{str(error).rstrip('.')}.", action=error.action)
    ProviderCredential.objects.filter(pk=credential.pk).update(last_used_at=timezone.now())
    return Trial(models=tuple(models))
