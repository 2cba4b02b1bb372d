"""What the scripts behind the Makefile say when a machine lacks something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.testing.debian import install, unpack
from tests.deploy.caddy_door import ROOT

SCRIPTS = ROOT / "deploy" / "testing"

# Answers the three questions of find-python; `checks` decides which of the two checks it passes.
PYTHON = """#!/bin/sh
case "$2" in
    *python_version*) echo {version} ;;
    *version_info*) {new_enough} ;;
    *ensurepip*) {has_venv} ;;
    *executable*) echo "$0" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder that is the whole PATH."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def put(machine: Path, name: str, script: str) -> None:
    (machine / name).write_text(script)
    (machine / name).chmod(0o700)


def python(version: str, *, new_enough: bool = True, has_venv: bool = True) -> str:
    status = {True: "exit 0", False: "exit 1"}
    return PYTHON.format(version=version, new_enough=status[new_enough], has_venv=status[has_venv])


def run(
    script: str, *arguments: str, path: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    return subprocess.run(
        ["/bin/sh", SCRIPTS / script, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


class TestFindPython:
    def test_the_first_that_will_do_is_taken(self, machine: Path) -> None:
        put(machine, "python3.12", python("3.12.1"))
        put(machine, "python3", python("3.11.2"))

        assert run("find-python", path=str(machine)).stdout == f"{machine}/python3.12\n"

    def test_a_name_without_a_version_behind_it_is_passed_over(self, machine: Path) -> None:
        put(machine, "python3.13", "#!/bin/sh\necho 'python3.13: command not found' >&2; exit 127\n")
        put(machine, "python3", python("3.11.2"))

        assert run("find-python", path=str(machine)).stdout == f"{machine}/python3\n"

    def test_none_is_told_with_the_remedy(self, machine: Path) -> None:
        found = run("find-python", path=str(machine))

        assert found.returncode == 1
        assert found.stderr.startswith("No Python was found. Doorward needs Python 3.11 or newer")

    def test_one_that_is_too_old_is_told(self, machine: Path) -> None:
        put(machine, "python3", python("3.9.2", new_enough=False))

        assert run("find-python", path=str(machine)).stderr.startswith("Python 3.9.2 is too old.")

    def test_one_without_venv_is_told_with_the_package(self, machine: Path) -> None:
        put(machine, "python3", python("3.11.2", has_venv=False))

        found = run("find-python", path=str(machine))
        assert found.returncode == 1
        assert "apt-get install python3-venv" in found.stderr

    def test_the_real_one_is_found(self) -> None:
        found = run("find-python", path=f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}")

        assert found.returncode == 0
        assert Path(found.stdout.strip()).exists()


class TestCheckNode:
    def test_none_is_told_with_the_remedy(self, machine: Path) -> None:
        checked = run("check-node", path=str(machine))

        assert checked.returncode == 1
        assert checked.stderr.startswith("Node.js was not found. Doorward's console needs Node.js 20.19")

    def test_one_that_is_too_old_is_told(self, machine: Path) -> None:
        put(machine, "node", '#!/bin/sh\n[ "$1" = --version ] && echo v18.19.0 && exit 0\nexit 1\n')

        assert run("check-node", path=str(machine)).stderr.startswith("Node.js v18.19.0 is too old.")

    def test_one_without_npm_is_told(self, machine: Path) -> None:
        put(machine, "node", '#!/bin/sh\n[ "$1" = --version ] && echo v22.1.0\nexit 0\n')

        assert "npm is not" in run("check-node", path=str(machine)).stderr

    def test_one_that_will_do_says_nothing(self, machine: Path) -> None:
        put(machine, "node", '#!/bin/sh\n[ "$1" = --version ] && echo v22.1.0\nexit 0\n')
        put(machine, "npm", "#!/bin/sh\necho 10.0.0\n")

        checked = run("check-node", path=str(machine))
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


class TestMakeVenv:
    def test_one_behind_a_link_is_left_alone(self, tmp_path: Path) -> None:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        (theirs / "kept").touch()
        (tmp_path / ".venv").symlink_to(theirs)
        (tmp_path / "deploy").symlink_to(SCRIPTS.parent)

        made = run("make-venv", path=os.environ["PATH"], folder=tmp_path)

        assert made.returncode == 1
        assert made.stderr.startswith(f".venv is a link to {theirs}: run make there")
        assert (theirs / "kept").exists()


class TestQuietly:
    def test_what_works_says_its_sentence_only(self) -> None:
        done = run("quietly", "Making tea", "echo", "bubbling", path=os.environ["PATH"])

        assert (done.returncode, done.stdout, done.stderr) == (0, "Making tea ...\n", "")

    def test_what_fails_says_everything_and_keeps_its_status(self) -> None:
        done = run("quietly", "Making tea", "sh", "-c", "echo no water; exit 7", path=os.environ["PATH"])

        assert done.returncode == 7
        assert "no water" in done.stderr
        assert "Making tea: failed" in done.stderr


APT_GET = """#!/bin/sh
echo "$@ TMPDIR=$TMPDIR" >>"{log}"
echo "what apt-get said"
exit {status}
"""


class TestDebianPackages:
    def test_the_list_is_refreshed_then_the_package_installed(
        self, machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        put(machine, "apt-get", APT_GET.format(log=machine / "log", status=0))
        monkeypatch.setenv("PATH", str(machine))

        install("chromium")

        assert (machine / "log").read_text().splitlines() == [
            "--quiet=2 update TMPDIR=",
            "--quiet=2 install --yes --no-install-recommends chromium TMPDIR=",
        ]
        assert capsys.readouterr().out == "Installing with apt-get, as root, for tests: chromium ...\n"

    def test_a_failure_is_shown_and_goes_no_further(
        self, machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        put(machine, "apt-get", APT_GET.format(log=machine / "log", status=100))
        monkeypatch.setenv("PATH", str(machine))

        install("chromium")

        assert "what apt-get said\napt-get update failed." in capsys.readouterr().out
        assert "install" not in (machine / "log").read_text()

    def test_a_server_is_unpacked_and_not_installed(
        self, machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        downloaded = '$(if [ "$2" = download ]; then : >nginx.deb; fi)'
        put(machine, "apt-get", APT_GET.format(log=machine / "log", status=downloaded))
        put(machine, "dpkg", f'#!/bin/sh\necho "${{2##*/}} into $3" >>"{machine}/log"\n')
        monkeypatch.setenv("PATH", str(machine))

        unpack("nginx", tmp_path / "unpacked")

        assert (machine / "log").read_text().splitlines() == [
            "--quiet=2 update TMPDIR=",
            "--quiet=2 download nginx TMPDIR=",
            f"nginx.deb into {tmp_path / 'unpacked'}",
        ]

    def test_what_cannot_be_downloaded_is_not_unpacked(
        self, machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        put(machine, "apt-get", APT_GET.format(log=machine / "log", status=100))
        monkeypatch.setenv("PATH", str(machine))

        unpack("nginx", tmp_path / "unpacked")

        assert not (tmp_path / "unpacked").exists()


@pytest.mark.parametrize("name", ["demo.txt", "dev.txt", "build.txt"])
def test_lock_files_name_hashes_and_no_hosts(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()

    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "index-url" not in text


def test_the_help_of_make_names_every_command() -> None:
    helped = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    named = [line.split()[1] for line in helped.stdout.splitlines()]
    assert named == ["help", "demo", "test", "check", "fuzz", "bench", "bench-api", "lock", "clean"]
