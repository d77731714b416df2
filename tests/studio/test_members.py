"""People of a workspace."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studio import members
from studio.models import AuditEvent, Membership, Workspace


@pytest.fixture
def owner_client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def test_everybody_sees_the_people_and_only_owners_add_some(
    workspace: Workspace, viewer_client: Client, stranger_client: Client
) -> None:
    address = reverse("members", args=["lab"])
    assert "viewer-of-lab" in viewer_client.get(address).text
    assert viewer_client.post(address, {"username": "eve", "role": "owner"}).status_code == 403
    assert stranger_client.get(address).status_code == 404
    assert viewer_client.get(reverse("audit", args=["lab"])).status_code == 403


def test_a_new_person_gets_a_link_that_signs_in(owner_client: Client, workspace: Workspace) -> None:
    page = owner_client.post(reverse("members", args=["lab"]), {"username": "ada", "role": "reviewer"})
    assert "/sign-in/once/" in page.text
    assert Membership.objects.get(user__username="ada").role == "reviewer"
    token = page.text.split("/sign-in/once/")[1].split("/")[0]
    assert Client().post(reverse("one_time_sign_in", args=[token])).status_code == 302


def test_a_member_cannot_be_added_twice(owner_client: Client, viewer: User) -> None:
    page = owner_client.post(reverse("members", args=["lab"]), {"username": viewer.username, "role": "editor"})
    assert page.status_code == 422
    assert "member already" in page.text


def test_a_role_changes_and_the_trail_says_so(owner_client: Client, viewer: User) -> None:
    membership = Membership.objects.get(user=viewer)
    owner_client.post(reverse("member_change", args=["lab", membership.pk]), {"role": "editor"})
    membership.refresh_from_db()
    assert membership.role == "editor"
    assert AuditEvent.objects.get(verb="changed the role of").details == {"from": "viewer", "to": "editor"}
    assert "changed the role of" in owner_client.get(reverse("audit", args=["lab"])).text


def test_the_last_owner_stays(owner_client: Client, owner: User, workspace: Workspace) -> None:
    membership = Membership.objects.get(user=owner)
    address = reverse("member_change", args=["lab", membership.pk])
    owner_client.post(address, {"remove": "1"})
    owner_client.post(address, {"role": "viewer"})
    membership.refresh_from_db()
    assert membership.role == "owner"
    with pytest.raises(members.LastOwner):
        members.remove_member(membership, by=owner)


def test_a_member_of_another_workspace_cannot_be_changed(owner_client: Client, stranger: User) -> None:
    theirs = Membership.objects.get(user=stranger)
    assert owner_client.post(reverse("member_change", args=["lab", theirs.pk]), {"remove": "1"}).status_code == 404
