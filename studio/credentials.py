"""Provider keys of a workspace: kept encrypted, used by running steps, never shown again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from studio import audit
from studio.lib.errors import StudioError
from studio.lib.params import problems
from studio.models import ProviderCredential, Workspace
from studio.registries import TEACHERS

TEST_SECONDS = 15.0


def providers() -> list[tuple[str, str]]:
    """``(name, label)`` of every teacher that can use a key."""
    return [(name, teacher.label) for name, teacher in TEACHERS.items() if teacher.priced]


@transaction.atomic
def add(workspace: Workspace, *, name: str, provider: str, secret: str, by: User) -> ProviderCredential:
    """Store a key, encrypted."""
    credential = ProviderCredential(workspace=workspace, name=name, provider=provider, created_by=by)
    credential.seal(secret)
    credential.save()
    audit.record(workspace, actor=by, verb="added the key", subject=name, details={"provider": provider})
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


def test(credential: ProviderCredential, *, base_url: str = "") -> Trial:
    """Ask the provider for its list of models with this key: costs nothing and proves address and key.

    ``base_url`` is needed for a server of one's own; without it a provider's public address is used.
    """
    kind = TEACHERS[credential.provider]
    try:
        teacher = kind.open(
            {"model": "any", "base_url": base_url},
            secret=credential.reveal(),
            allowed_hosts=settings.ALLOWED_HOSTS_OUT,
            timeout=TEST_SECONDS,
        )
        models = asyncio.run(_list_models(teacher))
    except ValidationError as error:
        return Trial(
            error="; ".join(f"{field}: {text}" for field, text in problems(error)), action="Enter the address."
        )
    except StudioError as error:
        return Trial(error=f"{str(error).rstrip('.')}.", action=error.action)
    ProviderCredential.objects.filter(pk=credential.pk).update(last_used_at=timezone.now())
    return Trial(models=tuple(models))


async def _list_models(teacher: Any) -> list[str]:
    try:
        models: list[str] = await teacher.list_models()
        return models
    finally:
        await teacher.aclose()
