"""How a command ends: exit codes, what is said where, closed pipes, Ctrl-C, bugs."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bob_ci.cli.root import root
from bob_ci.errors import InputError

Bobctl = Callable[..., subprocess.CompletedProcess[str]]
PROGRAM = (sys.executable, "-c", "from bob_ci.cli import main; main()")
TAG = "oci-layout:layout:1.0.0"
ZEROS = "sha256:" + "0" * 64

# --- Exit codes


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        # 1: failed
        ("describe artifact oci-layout:nowhere:1", 1, "nowhere: no image layout"),
        ("describe artifact oci-layout:layout:2", 1, "no such tag"),
        ("describe artifact oci-layout:layout", 1, "layout:latest: no such tag"),
        (f"describe artifact oci-layout:layout@{ZEROS}", 1, "not there"),
        ("list artifact oci-layout:nowhere", 1, "no image layout"),
        ("tag artifact oci-layout:layout:2 --tag x", 1, "no such tag"),
        (f"pull artifact {TAG} --output out --platform linux/s390x", 1, "nothing for linux/s390x"),
        (f"pull artifact {TAG} --output bundle", 1, "exists"),
        (f"pull artifact {TAG} --output bundle/bob.yaml", 1, "cannot be written"),
        ("publish bundle ghcr.io/acme/web", 2, "has no tag, and git gives none"),
        ("publish bundle oci-layout:bundle/bob.yaml:1", 1, "bob.yaml"),
        # 2: usage, or input that cannot be read
        ("", 2, "Usage:"),
        ("nothing", 2, "No such command"),
        ("publish", 2, "Missing argument"),
        ("publish bundle", 2, "Missing argument"),
        (f"publish bundle {TAG} --nothing", 2, "No such option"),
        (f"publish bundle {TAG} --if-exists maybe", 2, "maybe"),
        (f"publish bundle {TAG} --platform linux", 2, "not a platform"),
        (f"publish bundle {TAG} --annotation x", 2, "not `key=value`"),
        (f"publish bundle {TAG} --annotation a=\x1b[2J", 2, r"'a=\x1b[2J': holds a control character"),
        (f"publish bundle {TAG} --set nothing", 2, "--set"),
        (f"publish bundle {TAG} --values nowhere.yaml", 2, "nowhere.yaml: cannot be read"),
        (f"publish bundle {TAG} --tag a/b", 2, "no tag"),
        (f"publish bundle {TAG} --revision odd", 2, "--revision"),
        (f"publish bundle oci-layout:layout@{ZEROS}", 2, "a digest cannot be published to"),
        ("publish bundle oci-layout:layout", 2, "has no tag, and git gives none"),
        (f"publish nowhere {TAG}", 2, "nowhere: no such directory"),
        (f"publish bundle/bob.yaml {TAG}", 2, "bundle/bob.yaml: is a file"),
        ("lint layout", 2, "layout: no bundle"),
        ("render layout", 2, "layout: no bundle"),
        ("chart layout --output out", 2, "a plain directory"),
        ("lint nowhere", 2, "no such directory"),
        ("render nowhere", 2, "no such directory"),
        ("chart bundle", 2, "--output"),
        ("push artifact oci-layout:layout:1", 2, "--path"),
        ("list artifact oci-layout:layout --filter-regex (", 2, "--filter-regex"),
        ("list artifact oci-layout:layout --limit 0", 2, "0"),
        ("completion tcsh", 2, "tcsh"),
        # References in no form of ours
        ("describe artifact ftp://example.com/a", 2, "no form of ours"),
        ("describe artifact https://example.com/a:1", 2, "write oci://example.com/a:1"),
        ("describe artifact oci-layout://x", 2, "write oci-layout:DIR"),
        ("describe artifact oci-layout:", 2, "directory is missing"),
        ("describe artifact Example.com/Upper", 2, "upper case"),
        ("describe artifact example.com/a@sha256:0", 2, "no digest"),
        ("describe artifact localhost:5000", 2, "a host without repository"),
    ],
)
@pytest.mark.usefixtures("published")
def test_code_and_message(bobctl: Bobctl, line: str, code: int, message: str) -> None:
    done = bobctl(*line.split())
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_messages_have_a_form(bobctl: Bobctl) -> None:
    """`error: OBJECT: WHAT`, then the next step."""
    lines = bobctl("publish", "nowhere", TAG).stderr.splitlines()
    assert lines == [
        "error: nowhere: no such directory",
        "hint: name the directory of a bundle: it has a bob.yaml",
    ]


ERROR, WARNING = {"bob.yaml": "  unknown: 1\n"}, {"bob.values": "unused=1\n"}


@pytest.mark.parametrize(
    "case",
    [
        ({}, "", 0),
        (WARNING, "", 0),
        (WARNING, "--fail-on warning", 3),
        (WARNING, "--fail-on info", 3),
        (ERROR, "", 3),
        (ERROR | WARNING, "--fail-on warning", 3),
    ],
)
@pytest.mark.parametrize("verb", ["publish", "publish --dry-run", "lint"])
def test_findings(bundle: Path, bobctl: Bobctl, verb: str, case: tuple[dict[str, str], str, int]) -> None:
    faults, flags, code = case
    break_(bundle, faults)
    is_lint = verb == "lint"
    done = bobctl(*verb.split(), bundle, *([] if is_lint else [TAG]), *flags.split())
    assert done.returncode == code, done.stderr
    assert (" error BOB" in done.stdout + done.stderr) == ("bob.yaml" in faults)
    assert Path("layout").exists() == (verb == "publish" and code == 0)
    if not is_lint:
        assert ("not published" in done.stderr) == (code == 3)
        assert (done.stdout == "") == (code == 3)


@pytest.mark.parametrize("flags", ["--no-lint", "--no-lint --fail-on info"])
def test_findings_that_nobody_asked_for(bundle: Path, bobctl: Bobctl, flags: str) -> None:
    break_(bundle, ERROR | WARNING)
    done = bobctl("publish", bundle, TAG, *flags.split())
    assert done.returncode == 0
    assert "BOB" not in done.stderr


def break_(bundle: Path, faults: dict[str, str]) -> None:
    for name, text in faults.items():
        (bundle / name).write_text((bundle / name).read_text() + text)


# --- stdout is the result alone


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    "line",
    [
        f"publish bundle {TAG} --tag stable",
        "push artifact oci-layout:layout:2 --path bundle",
        "list artifact oci-layout:layout",
        f"describe artifact {TAG}",
        f"tag artifact {TAG} --tag x",
        f"pull artifact {TAG} --output out",
        "render bundle",
        "chart bundle --output out",
        "lint bundle",
    ],
)
def test_stdout_is_the_result_alone(bundle: Path, bobctl: Bobctl, line: str) -> None:
    (bundle / "bob.values").write_text("name=web\nunused=1\n")
    done = bobctl(*line.split(), "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["schema"] == "bobctl/v1"
    assert done.stdout.endswith("}\n")
    assert not re.search(r"^\{", done.stderr, re.MULTILINE)


# --- Streams that are closed, full, or not there


def shell(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bash in which "$@" is bobctl."""
    command = ["bash", "-o", "pipefail", "-c", script, "bash", *PROGRAM, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_a_reader_that_goes_does_not_end_the_work(here: Path, bundle: Path) -> None:
    """Not even the reader of the talk: all is written, and the exit code is the command's."""
    (bundle / "bob.values").write_text("name=web\nunused=1\n")
    done = shell('{ "$@" 2>&1; echo "code $?" >code; } | true', "publish", "bundle", TAG)
    assert (done.returncode, done.stdout) == (0, "")
    assert (here / "code").read_text() == "code 0\n"
    assert (here / "layout/index.json").exists()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("render bundle", 0),
        ("--help", 0),
        ("--version", 0),
        ("lint bundle --fail-on warning", 3),
        ("list x", 2),
    ],
)
def test_a_closed_pipe_is_no_error(here: Path, bundle: Path, line: str, code: int) -> None:
    (bundle / "bob.values").write_text("name=web\nunused=1\n")
    shell('{ "$@" 2>err; echo $? >code; } | true', *line.split())
    assert (here / "code").read_text() == f"{code}\n"
    assert "Traceback" not in (here / "err").read_text()
    assert "BrokenPipe" not in (here / "err").read_text()


def test_a_large_result_into_a_closed_pipe(bundle: Path) -> None:
    (bundle / "deployment.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n" + "# x\n" * 100_000
    )
    done = shell('"$@" | head -c 10', "render", "bundle")
    assert (done.returncode, done.stdout, done.stderr) == (0, "apiVersion", "")


def test_a_full_disk_is_an_error(bundle: Path) -> None:
    done = shell('"$@" >/dev/full', "render", str(bundle))
    assert done.returncode == 1
    assert done.stderr == f"error: standard output: cannot be written: {os.strerror(errno.ENOSPC)}\n"


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_streams(here: Path, closed: str) -> None:
    done = shell(f'"$@" {closed}', "publish", "bundle", TAG)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert (here / "layout/index.json").read_bytes().startswith(b"{")
    assert shell(f'"$@" {closed}', "lint", "nowhere").returncode == 2


def test_talk_that_is_no_ascii_in_a_plain_locale(bundle: Path, process: Bobctl) -> None:
    (bundle / "deployment.yaml").unlink()
    (bundle / "bob.values").write_text("name=grün⋯\n")
    variables = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = process("render", "bundle", env={**os.environ, **variables}, encoding="utf-8")
    assert done.returncode == 0
    assert 'name: "grün⋯"' in done.stdout


# --- Interrupts


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("where", ["bob_ci.cli.run", "bob_ci.cli.publish", "bob_ci.publish", "deflate"])
def test_ctrl_c(here: Path, where: str) -> None:
    """At whatever moment: while modules load, in the middle of a command."""
    code = f"""
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {where!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = ["bobctl", "publish", "bundle", {TAG!r}]
from bob_ci.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip().splitlines()[-1:] in ([], ["bobctl: interrupted"])
    assert "Traceback" not in done.stderr
    assert not (here / "layout").exists()


@pytest.mark.usefixtures("bundle")
def test_ctrl_c_as_a_terminal_sends_it(here: Path) -> None:
    """To a command that waits: a fifo where a file of values should be."""
    os.mkfifo(here / "values")
    command = [*PROGRAM, "render", "bundle", "--values", "values"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as waiting,
        (here / "values").open("w"),  # opens when the command has opened it too
    ):
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (130, "")
    assert err.strip() == "bobctl: interrupted"


# --- Bugs, and the machine's own trouble


def raising(error: BaseException) -> Callable[..., Any]:
    def main(**_: object) -> None:
        raise error

    return main


def test_a_bug_is_a_short_line_and_a_log(here: Path, bobctl: Bobctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(here))
    monkeypatch.setattr(root, "main", raising(KeyError("x\x1b[2J\nforged")))
    done = bobctl("lint")
    assert (done.returncode, done.stdout) == (70, "")
    first, second = done.stderr.splitlines()
    assert first == r"bobctl: a bug: KeyError: 'x\x1b[2J\nforged'"
    log = Path(second.removeprefix("bobctl: the full log is in "))
    assert "Traceback" in log.read_text()


def test_a_bug_where_no_log_can_be_written(bobctl: Bobctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    monkeypatch.setattr(root, "main", raising(ValueError("x")))
    done = bobctl("lint")
    assert done.returncode == 70
    assert "no log could be written" in done.stderr


def test_trouble_with_a_path_is_no_bug(bobctl: Bobctl) -> None:
    done = bobctl("lint", "x" * 300)
    assert done.returncode == 1
    assert done.stderr == f"error: {'x' * 300}: {os.strerror(errno.ENAMETOOLONG)}\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--plain-http", "--ca-file", "ca.pem"), "--plain-http: there is no TLS"),
        (("--plain-http", "--insecure-skip-tls-verify"), "--plain-http: there is no TLS"),
        (("--key-file", "key.pem"), "--key-file: needs its certificate"),
    ],
)
def test_flags_that_contradict_each_other(flags: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(root, ["list", "artifact", "registry.example/a", *flags])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
