"""What a command loads and needs: few packages, and none before it is used."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

Done = subprocess.CompletedProcess[str]
TAG = "oci-layout:layout:1.0.0"
HEAVY = {"requests", "oras", "sigstore", "git", "deflate", "cryptography"}
EXTRAS = {"git": "GitPython", "deflate": "deflate"}


def after(line: str, *, without: tuple[str, ...] = ()) -> Done:
    """Run a command line in a process that lacks some packages; say which were imported, on stderr."""
    code = f"""
import json, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {without!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from bob_ci.cli.run import run
code = run({line.split()!r})
sys.stdout.flush()
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})), file=sys.stderr)
sys.exit(code)
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("line", "may"),
    [
        ("lint bundle", set()),
        ("render bundle", set()),
        ("render bundle --format json", set()),
        ("chart bundle --output chart", set()),
        ("--help", set()),
        ("publish --help", set()),
        ("completion bash", set()),
        ("list artifact oci-layout:layout", set()),
        (f"describe artifact {TAG}", set()),
        (f"tag artifact {TAG} --tag x", set()),
        (f"pull artifact {TAG} --output out", set()),
        (f"publish bundle {TAG}", {"git", "deflate"}),
    ],
)
def test_nothing_heavy_is_loaded(line: str, may: set[str]) -> None:
    done = after(line)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(json.loads(done.stderr.splitlines()[-1])) == may


@pytest.mark.parametrize("line", ["lint bundle", "render bundle", "chart bundle --output chart"])
@pytest.mark.usefixtures("bundle")
def test_a_slim_install_is_enough(line: str) -> None:
    assert after(line, without=tuple(HEAVY)).returncode == 0


@pytest.mark.parametrize("package", EXTRAS)
@pytest.mark.parametrize(
    "line", ["publish bundle {}", "push artifact {} --path bundle", "publish bundle {} --dry-run"]
)
@pytest.mark.usefixtures("bundle")
def test_a_missing_extra_is_named(package: str, line: str) -> None:
    done = after(line.format(TAG), without=(package,))
    assert (done.returncode, done.stdout) == (1, "")
    extra = next(name for name, packages in extras().items() if EXTRAS[package].lower() in packages)
    assert f"error: {EXTRAS[package]}: not installed" in done.stderr
    assert f"(or 'bob-ci[{extra}]' for this alone)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("layout").exists()


def test_the_git_program_may_be_missing(bundle: Path, process: Callable[..., Any]) -> None:
    done = process("publish", bundle, TAG, env={"PATH": "/nowhere", "HOME": "/nowhere"})
    assert done.returncode == 0
    assert "notice: git was not found" in done.stderr


# --- Packages


def requirements(package: str) -> list[Requirement]:
    return [Requirement(text) for text in importlib.metadata.requires(package) or []]


def extras() -> dict[str, set[str]]:
    """The packages that each extra brings, but for the one that brings all."""
    names = importlib.metadata.metadata("bob-ci").get_all("Provides-Extra") or []
    return {
        extra: {
            one.name.lower()
            for one in requirements("bob-ci")
            if one.marker and one.marker.evaluate({"extra": extra})
        }
        for extra in names
        if extra != "all"
    }


def test_a_slim_install_brings_few_packages() -> None:
    found: set[str] = set()
    waiting = ["bob-ci"]
    while waiting:
        for one in requirements(waiting.pop()):
            is_needed = one.marker is None or one.marker.evaluate({"extra": ""})
            if is_needed and one.name.lower() not in found:
                found.add(one.name.lower())
                waiting.append(one.name)
    assert {"click", "jinja2", "pyyaml"} <= found
    assert len(found) <= 10
    assert not found & {name.lower() for name in (*HEAVY, *EXTRAS.values())}


def test_the_compressor_is_pinned_exactly() -> None:
    """Its bytes are part of every digest."""
    (deflate,) = {str(one.specifier) for one in requirements("bob-ci") if one.name == "deflate"}
    assert deflate.startswith("==")
