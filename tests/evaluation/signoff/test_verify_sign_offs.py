"""The command that reads every byte of what was signed."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from evaluation.models import Scorecard, SignOff
from evaluation.signoff import freezing, settling
from tests.evaluation.signoff.conftest import say
from vault import store


def test_bytes_of_a_large_file_are_read_only_here(
    card: Scorecard, reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "HASHED_EVERY_TIME", 3)
    say(card, reviewer)
    out = StringIO()
    call_command("verify_sign_offs", stdout=out)
    assert "holds" in out.getvalue()
    (store.folder_of(card.student_sha) / "adapter_model.safetensors").write_bytes(b"WEIGHTS")
    assert settling.settle(SignOff.objects.get()).state == "approved"
    with pytest.raises(CommandError, match="1 sign-off voided"):
        call_command("verify_sign_offs", workspace="lab", stdout=out)
    assert "holds other bytes" in out.getvalue()


def test_an_unknown_workspace_is_said(db: None) -> None:
    with pytest.raises(CommandError, match="no workspace"):
        call_command("verify_sign_offs", workspace="nowhere")
