"""Forms of the settings pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator

from studio.models import Membership, Role, Workspace


class MemberForm(forms.Form):
    """Who joins, and as what. A name nobody has yet makes an account, which signs in by a one-time link."""

    username = forms.CharField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        label="User name",
        help_text="An existing person of this Studio, or a new name: a new person gets a one-time sign-in link.",
    )
    role = forms.ChoiceField(
        choices=Role.choices,
        initial=Role.EDITOR,
        label="Role",
        help_text="Viewers look, reviewers also review and sign, editors also change and run, owners also manage people and keys.",
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workspace = workspace

    def clean_username(self) -> str:
        """Refuse a person who is a member already."""
        name: str = self.cleaned_data["username"]
        if Membership.objects.filter(workspace=self.workspace, user__username__iexact=name).exists():
            raise forms.ValidationError(f"{name} is a member already; change the role in the list.")
        return User.objects.filter(username__iexact=name).values_list("username", flat=True).first() or name
