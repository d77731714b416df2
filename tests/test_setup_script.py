"""``scripts/setup.sh`` on machines that lack something: a copy of the script among fake programs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ["sh", "cat", "cksum", "dirname", "mktemp", "awk", "rm", "df", "mkdir", "chmod", "env", "true"]
GOOD_PYTHON = """#!/bin/sh
case "$*" in
    *"-m venv"*) mkdir -p "$3/bin"; cp_to="$3/bin/python"; cat "$0" >"$cp_to"; chmod +x "$cp_to" ;;
    *"-m pip"*) echo "$*" >>"$LOG"; exit ${PIP_STATUS:-0} ;;
    "--version") echo "Python 3.12.9" ;;
esac
"""


class Machine:
    """A folder with the script and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.bin, self.log = folder / "home", folder / "bin", folder / "pip.log"
        (self.home / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup.sh", self.home / "scripts" / "setup.sh")
        shutil.copytree(ROOT / "requirements", self.home / "requirements")
        shutil.copy(ROOT / "requirements.lock", self.home / "requirements.lock")
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        self.program("c++", "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def setup(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "sh"), "scripts/setup.sh", *args],
            cwd=self.home,
            env={"PATH": str(self.bin), "LOG": str(self.log), **env},
            capture_output=True,
            text=True,
        )

    @property
    def installed(self) -> list[str]:
        """The arguments of every call of pip but those for the converter, which lives apart."""
        calls = self.log.read_text().splitlines() if self.log.exists() else []
        return [call for call in calls if "converter" not in call]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def old_python(machine: Machine) -> None:
    machine.program("python3", '#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; *) echo "Python 3.9.2" ;; esac\n')


def no_python(machine: Machine) -> None:
    (machine.bin / "python3").unlink(missing_ok=True)


@pytest.mark.parametrize(("arrange", "has"), [(old_python, "Python 3.9.2"), (no_python, "no Python 3")])
def test_an_old_or_missing_python_is_said_with_what_to_install(
    machine: Machine, arrange: Callable[[Machine], None], has: str
) -> None:
    arrange(machine)
    done = machine.setup("run")
    assert done.returncode == 1
    assert f"needs Python 3.11, 3.12 or 3.13; this machine has {has}" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_a_name_on_path_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.program("python3.13", "#!/bin/sh\necho 'python3.13: command not found'; exit 127\n")
    machine.program("python3.11", GOOD_PYTHON)
    assert machine.setup("run").returncode == 0


def test_a_python_without_venv_is_said(machine: Machine) -> None:
    machine.program("python3", '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\n')
    done = machine.setup("run")
    assert done.returncode == 1
    assert "its venv module is missing" in done.stderr
    assert "python3-venv" in done.stderr


def test_a_missing_compiler_is_said_before_anything_is_installed(machine: Machine) -> None:
    machine.program("python3", GOOD_PYTHON)
    machine.program("c++", "#!/bin/sh\nexit 1\n")
    done = machine.setup("run")
    assert done.returncode == 1
    assert "No working C++ compiler" in done.stderr
    assert "build-essential" in done.stderr
    assert not (machine.home / ".venv").exists()


def test_a_full_disk_is_said_in_gigabytes(machine: Machine) -> None:
    machine.program("python3", GOOD_PYTHON)
    machine.program("df", "#!/bin/sh\necho head\necho /dev/x 100 100 3100000 99% /\n")
    done = machine.setup("run")
    assert done.returncode == 1
    assert "Only 3 GB are free here; the installation needs 10 GB" in done.stderr


def test_packages_are_installed_once_and_again_when_the_lock_changes(machine: Machine) -> None:
    machine.program("python3", GOOD_PYTHON)
    assert machine.setup("run").returncode == 0
    assert len(machine.installed) == 1
    assert "-r requirements.lock" in machine.installed[0]
    quiet = machine.setup("run")
    assert (quiet.returncode, quiet.stdout, len(machine.installed)) == (0, "", 1)
    (machine.home / "requirements" / "web.lock").write_text("django==5.2.20\n")
    assert machine.setup("run").returncode == 0
    assert len(machine.installed) == 2


def test_the_converter_gets_a_folder_of_its_own(machine: Machine) -> None:
    machine.program("python3", GOOD_PYTHON)
    machine.setup("run")
    (call,) = [call for call in machine.log.read_text().splitlines() if "converter" in call]
    assert "--no-deps" in call
    assert "--target .venv/converter -r requirements/converter.lock" in call


def test_after_the_developers_set_up_a_run_installs_nothing_more(machine: Machine) -> None:
    machine.program("python3", GOOD_PYTHON)
    assert machine.setup("dev").returncode == 0
    assert "-r requirements/dev.lock" in machine.installed[0]
    assert machine.setup("run").returncode == 0
    assert len(machine.installed) == 1


def test_a_failed_installation_is_tried_again_next_time(machine: Machine) -> None:
    machine.program("python3", GOOD_PYTHON)
    done = machine.setup("run", PIP_STATUS="1")
    assert done.returncode == 1
    assert "it goes on where it stopped" in done.stderr
    assert machine.setup("run").returncode == 0
    assert len(machine.installed) == 2


def test_a_virtual_environment_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    machine.program("python3", GOOD_PYTHON)
    machine.setup("run")
    (machine.home / ".venv" / "bin" / "python").unlink()
    done = machine.setup("run")
    assert "Making .venv" in done.stdout
    assert len(machine.installed) == 2
