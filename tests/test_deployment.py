"""The files that operators and CI use agree with the code: names of settings, services, images, targets, locks."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio import conf

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [
    "requirements.lock",
    "requirements/web.lock",
    "requirements/dev.lock",
    "requirements/bench.lock",
    "requirements/benchmarks.lock",
    "requirements/converter.lock",
]
KNOWN = {setting.name for setting in conf.SETTINGS}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> dict[str, str]:
    """``{package: version}`` of a lock file."""
    text = (ROOT / name).read_text()
    return {canonical(package): version for package, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.M)}


def wanted(requirements: list[str]) -> set[str]:
    return {canonical(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in requirements}  # type: ignore[index]


def test_every_setting_that_compose_gives_exists() -> None:
    given = {name for service in OURS.values() for name in service["environment"]}
    assert {name for name in given if name.startswith("STUDIO_")} <= KNOWN
    assert {"STUDIO_DATABASE_URL", "STUDIO_REDIS_URL", "STUDIO_SECRET_KEY", "STUDIO_ENCRYPTION_KEYS"} <= given


def test_every_setting_that_the_images_and_the_example_give_exists() -> None:
    for file in ("Dockerfile", ".env.example", "README.md", "docs/operations.md", "Makefile"):
        names = set(re.findall(r"STUDIO_[A-Z_]+", (ROOT / file).read_text()))
        assert names <= KNOWN, file


def test_compose_builds_targets_that_the_dockerfile_has() -> None:
    targets = set(re.findall(r"^FROM .+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.M))
    assert {service["build"]["target"] for service in OURS.values()} <= targets
    assert {"web", "worker-cpu", "worker-gpu", "scheduler"} <= targets


def test_compose_addresses_name_its_own_services() -> None:
    environment = OURS["web"]["environment"]
    assert re.search(r"@(\w+)/", environment["STUDIO_DATABASE_URL"])[1] in SERVICES  # type: ignore[index]
    assert re.search(r"//(\w+):", environment["STUDIO_REDIS_URL"])[1] in SERVICES  # type: ignore[index]
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_all_parts_share_one_artifact_volume_and_take_secrets_from_the_environment() -> None:
    assert all("studio:/data" in service["volumes"] for service in OURS.values())
    for name in ("STUDIO_SECRET_KEY", "STUDIO_ENCRYPTION_KEYS"):
        assert all(service["environment"][name].startswith("${" + name) for service in OURS.values())


def test_every_queue_has_a_worker_with_and_without_a_gpu() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert '"--queues", "cpu,io"' in dockerfile
    assert '"--queues", "gpu"' in dockerfile
    assert SERVICES["trainer"]["profiles"] == ["cpu"]
    assert SERVICES["trainer-gpu"]["profiles"] == ["gpu"]


def test_the_servers_of_compose_have_health_checks() -> None:
    assert all("healthcheck" in SERVICES[name] for name in ("database", "broker"))
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_line_and_names_no_place(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        assert re.match(r"(#|-r |-c |[a-z0-9._-]+==[A-Za-z0-9.!]+( ; .+)?$)", line), line
        assert "://" not in line


def test_the_locks_hold_everything_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    web = locked("requirements/web.lock")
    runtime = web | locked("requirements.lock")
    assert wanted(project["dependencies"]) | wanted(extras["postgres"]) <= set(web)
    assert wanted(extras["ml"]) <= set(runtime)
    assert wanted(extras["dev"]) <= set(runtime | locked("requirements/dev.lock"))
    assert wanted(extras["bench"]) <= set(runtime | locked("requirements/bench.lock"))
    assert wanted(extras["benchmarks"]) <= set(runtime | locked("requirements/benchmarks.lock"))


def test_the_web_image_has_no_torch() -> None:
    assert not {"torch", "transformers", "llama-cpp-python"} & set(locked("requirements/web.lock"))


def test_make_help_lists_every_target_with_its_meaning() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text, re.M))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make (\S+)", shown, re.M)) == targets


@pytest.mark.parametrize("script", [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci/run"], ids=lambda p: p.name)
def test_shell_scripts_are_well_formed_and_stop_at_errors(script: Path) -> None:
    shell = script.read_text().splitlines()[0].split("/")[-1].split()[-1]
    subprocess.run([shell, "-n", str(script)], check=True)
    assert re.search(r"^set -[eu]", script.read_text(), re.M)


def test_every_setting_is_in_the_operations_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for setting in conf.SETTINGS:
        assert f"`{setting.name}`" in page
        assert setting.help in page, f"run `make docs`: {setting.name} changed"
