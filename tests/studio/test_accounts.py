"""First owner, one-time links, passwords."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studio import accounts
from studio.models import Membership, SignInLink, Workspace


@pytest.mark.django_db
def test_the_first_start_makes_an_owner_and_a_link_until_somebody_signed_in() -> None:
    link = accounts.ensure_owner()
    assert link is not None
    assert Membership.objects.get().role == "owner"
    assert accounts.ensure_owner() is not None
    assert User.objects.count() == 1
    client = Client()
    assert client.get(link).status_code == 200
    assert SignInLink.objects.filter(used_at__isnull=False).count() == 0
    response = client.post(link)
    assert response.headers["Location"] == reverse("set_password")
    assert accounts.ensure_owner() is None


@pytest.mark.django_db
def test_a_link_works_once() -> None:
    link = accounts.ensure_owner()
    assert link is not None
    assert Client().post(link).status_code == 302
    refused = Client().post(link)
    assert refused.status_code == 403
    assert "_auth_user_id" not in refused.wsgi_request.session


@pytest.mark.django_db
def test_an_old_or_invented_link_is_refused(owner: User) -> None:
    link = accounts.make_sign_in_link(owner)
    SignInLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().post(link).status_code == 403
    assert Client().post(reverse("one_time_sign_in", args=["guess"])).status_code == 403


@pytest.mark.django_db
def test_only_the_hash_of_a_link_is_kept(owner: User) -> None:
    token = accounts.make_sign_in_link(owner).rstrip("/").rsplit("/", 1)[1]
    assert token not in SignInLink.objects.get().token_sha256


def test_a_password_can_be_set_and_used(workspace: Workspace, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    address = reverse("set_password")
    short = client.post(address, {"new_password1": "short", "new_password2": "short"})
    assert short.status_code == 422 and "too short" in short.text
    client.post(address, {"new_password1": "a long enough one", "new_password2": "a long enough one"})
    fresh = Client()
    signed = fresh.post(reverse("sign_in"), {"username": owner.username, "password": "a long enough one"})
    assert signed.status_code == 302


def test_a_wrong_password_is_refused_in_words(owner: User) -> None:
    page = Client().post(reverse("sign_in"), {"username": owner.username, "password": "nope"})
    assert page.status_code == 200
    assert "correct" in page.text
