"""What every test may use: a data folder of its own, a workspace, a person of each role, and signed-in clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from studio.models import Membership, Role, Workspace
from tests.journeys.students import tiny_student as tiny_student


def pytest_configure(config: pytest.Config) -> None:
    """``database`` is set below by what a test uses, never by hand."""
    config.addinivalue_line("markers", "database: uses the database; make test-services runs it on PostgreSQL too")
    config.pluginmanager.register(BrowserLast())


class BrowserLast:
    """Puts the browser's tests last, after whatever else orders them: its event loop stays in the process, where others need
    their own."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: "/browser/" in item.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the database, before ``-m`` chooses by the mark."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or {"db", "transactional_db"}.intersection(names):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def data_root(tmp_path: Path, settings: Settings) -> Path:
    """The data root of this test alone. Nothing is rung: tests that want workers call the tasks themselves."""
    root = tmp_path / "data"
    (root / "scratch" / "uploads").mkdir(parents=True)
    settings.DATA_ROOT = root
    settings.FILE_UPLOAD_TEMP_DIR = root / "scratch" / "uploads"
    settings.RING = False
    return root


@pytest.fixture
def workspace(db: None) -> Workspace:
    """A workspace named ``lab``."""
    return Workspace.objects.create(slug="lab", name="Lab")


@pytest.fixture
def other_workspace(db: None) -> Workspace:
    """Another team's workspace."""
    return Workspace.objects.create(slug="elsewhere", name="Elsewhere")


def make_member(workspace: Workspace, role: str) -> User:
    """A new person with ``role`` in ``workspace``; the user name is the role."""
    user = User.objects.create_user(username=f"{role}-of-{workspace.slug}", password="correct horse battery")
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return user


@pytest.fixture
def owner(workspace: Workspace) -> User:
    """May do everything in ``workspace``."""
    return make_member(workspace, Role.OWNER)


@pytest.fixture
def editor(workspace: Workspace) -> User:
    """May change and run things in ``workspace``."""
    return make_member(workspace, Role.EDITOR)


@pytest.fixture
def reviewer(workspace: Workspace) -> User:
    """May review and sign in ``workspace``."""
    return make_member(workspace, Role.REVIEWER)


@pytest.fixture
def viewer(workspace: Workspace) -> User:
    """May only look in ``workspace``."""
    return make_member(workspace, Role.VIEWER)


@pytest.fixture
def stranger(other_workspace: Workspace) -> User:
    """Owns another workspace and has no part in ``workspace``."""
    return make_member(other_workspace, Role.OWNER)


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """``sign_in(user)``: a client that is signed in as ``user``."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def editor_client(editor: User, sign_in: Callable[[User], Client]) -> Client:
    """Signed in as ``editor``."""
    return sign_in(editor)


@pytest.fixture
def viewer_client(viewer: User, sign_in: Callable[[User], Client]) -> Client:
    """Signed in as ``viewer``."""
    return sign_in(viewer)


@pytest.fixture
def stranger_client(stranger: User, sign_in: Callable[[User], Client]) -> Client:
    """Signed in as ``stranger``."""
    return sign_in(stranger)
