"""Forms of the settings pages: people, provider keys, notifications, webhooks; and of comments."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator

from studio.comments import TEXT_LIMIT
from studio.lib.errors import StudioError
from studio.lib.http import check_url, is_excepted
from studio.models import Membership, NotificationChoice, ProviderCredential, Role, Webhook, Workspace
from studio.notices import EVENTS


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
        help_text="Viewers look, reviewers also review and sign, editors also change, run and manage keys, owners also manage people.",
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


class CredentialForm(forms.Form):
    """A provider's API key and the name steps know it by. The key is never sent back to the browser."""

    name = forms.SlugField(
        max_length=60, label="Name", help_text="How steps refer to it: letters, digits, hyphens and underscores."
    )
    provider = forms.ChoiceField(label="Provider", help_text="Whose key it is.")
    base_url = forms.CharField(
        max_length=300,
        required=False,
        label="Address",
        widget=forms.TextInput(attrs={"placeholder": "https://host/v1", "autocomplete": "off", "spellcheck": "false"}),
        help_text="The key is never sent anywhere else. Leave it empty for a provider's own public address.",
    )
    secret = forms.CharField(
        max_length=2_000,
        label="API key",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Stored encrypted. It can be replaced, never read again.",
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        from studio.credentials import providers

        super().__init__(*args, **kwargs)
        self.workspace = workspace
        cast("forms.ChoiceField", self.fields["provider"]).choices = providers()

    def clean_name(self) -> str:
        """Refuse a name that is taken."""
        name: str = self.cleaned_data["name"]
        if ProviderCredential.objects.filter(workspace=self.workspace, name=name).exists():
            raise forms.ValidationError(
                f"There is a key named {name} already: remove it first, or choose another name."
            )
        return name

    def clean_base_url(self) -> str:
        """Refuse an address that this Studio may not reach."""
        url: str = self.cleaned_data["base_url"].strip()
        if url:
            try:
                check_url(url, allowed_hosts=settings.ALLOWED_HOSTS_OUT)
            except StudioError as error:
                raise forms.ValidationError(f"{error} {error.action}") from None
        elif self.cleaned_data.get("provider") == "openai_compatible":
            raise forms.ValidationError("A server of your own needs its address, up to and including /v1.")
        return url

    def clean_secret(self) -> str:
        """Refuse what no HTTP header can carry."""
        secret: str = self.cleaned_data["secret"]
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise forms.ValidationError("This is not an API key: it holds spaces or characters that no key has.")
        return secret


class ChoiceForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a member is told of, and what of it by e-mail."""

    class Meta:
        model = NotificationChoice
        fields = ("about", "mail")
        labels = {"about": "Tell me of", "mail": "By e-mail too"}
        help_texts = {"about": "When they end or wait for a person. Where somebody mentions you is always told."}
        widgets = {"about": forms.RadioSelect, "mail": forms.RadioSelect}


class AddressForm(forms.Form):
    """The address that mails go to; it counts once the link sent there was opened."""

    email = forms.EmailField(
        max_length=254,
        required=False,
        label="My address",
        help_text="A mail with a link goes there; the address is used once you have opened it. Empty: no mails.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class EventsForm(forms.Form):
    """What a webhook is told of."""

    events = forms.MultipleChoiceField(
        choices=list(EVENTS.items()),
        initial=list(EVENTS),
        label="Tell it when",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one event."},
    )


class WebhookForm(EventsForm):
    """A new webhook's address and events."""

    url = forms.CharField(
        max_length=500,
        label="Address",
        widget=forms.URLInput(attrs={"placeholder": "https://host/path", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Gets a POST with JSON, signed with a secret that is shown once.",
    )
    field_order = ("url", "events")

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workspace = workspace

    def clean_url(self) -> str:
        """Refuse an address that this Studio may not reach, one that is not encrypted, and one too many."""
        from studio.webhooks import MOST

        url: str = self.cleaned_data["url"].strip()
        hosts = settings.ALLOWED_HOSTS_OUT
        try:
            target = check_url(url, allowed_hosts=hosts)
        except StudioError as error:
            raise forms.ValidationError(f"{error} {error.action}") from None
        if target.scheme == "http" and not is_excepted(target, None, hosts):
            raise forms.ValidationError(
                "Use https: anybody on the way could read a plain http message. "
                "Only hosts in STUDIO_ALLOWED_HOSTS_OUT may do without."
            )
        if Webhook.objects.filter(workspace=self.workspace, url=url).exists():
            raise forms.ValidationError("There is a webhook to this address already.")
        if Webhook.objects.filter(workspace=self.workspace).count() >= MOST:
            raise forms.ValidationError(f"A workspace may have {MOST} webhooks: remove one first.")
        return url


class CommentForm(forms.Form):
    """What somebody says."""

    text = forms.CharField(
        max_length=TEXT_LIMIT,
        widget=forms.Textarea,
        error_messages={"required": "Write something first."},
    )
    request_key = forms.CharField(max_length=64, required=False)
