"""One digest with every Python: another zlib, other hashes, other versions of the dependencies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "from bob_ci.cli import main; main()"
VERSIONS = ("3.12", "3.13")
# Looked at before any test gets a HOME of its own.
PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
BUNDLES = ("webapp", "examples/argocd-repo-server", "examples/chain-frontend", "redis-chart")


def find(version: str) -> str | None:
    """An interpreter of this version that runs: on the PATH, else pyenv's."""
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, PYENV.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        asks = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asks, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return candidate
    return None


def requirements() -> list[str]:
    project: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["git"], *extras["oci"]]


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another interpreter, with the dependencies and not the package, which is run from the checkout."""
    found = find(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} here")
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    subprocess.run([found, "-m", "venv", folder], check=True, capture_output=True)
    pip = [str(folder / "bin/pip"), "install", "--quiet", "--only-binary", ":all:"]
    done = subprocess.run([*pip, *requirements()], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Python {request.param}: pip install: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin/python"


def publish(interpreter: Path, bundle: Path, layout: Path) -> str:
    flags = ("--source", "https://github.com/acme/web", "--revision", "main@sha1:0123456", "--no-lint")
    done = subprocess.run(
        [interpreter, "-c", PROGRAM, "publish", bundle, f"oci-layout:{layout}:1", *flags, "--format", "json"],
        capture_output=True,
        text=True,
        cwd=layout.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1767323045"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    digest: str = json.loads(done.stdout)["digest"]
    return digest


def files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(root)), path.read_bytes()


@pytest.mark.parametrize("bundle", BUNDLES)
def test_other_pythons_give_the_same_bytes(
    python: Path, shared_data: Path, tmp_path: Path, bundle: str
) -> None:
    ours = publish(Path(sys.executable), shared_data / bundle, tmp_path / "ours")
    theirs = publish(python, shared_data / bundle, tmp_path / "theirs")
    assert ours == theirs
    assert dict(files(tmp_path / "ours")) == dict(files(tmp_path / "theirs"))


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONHASHSEED": "0", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "1", "TZ": "UTC+11", "LANG": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
        {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONMALLOC": "malloc"},
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("bundle", BUNDLES)
def test_other_surroundings_give_the_same_bytes(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], bundle: str
) -> None:
    publish(Path(sys.executable), shared_data / bundle, tmp_path / "ours")
    copy = tmp_path / "another place"
    shutil.copytree(shared_data / bundle, copy)
    for number, path in enumerate(copy.rglob("*")):
        os.utime(path, (number, number))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o077)
    try:
        publish(Path(sys.executable), copy, tmp_path / "theirs")
    finally:
        os.umask(before)
    assert dict(files(tmp_path / "ours")) == dict(files(tmp_path / "theirs"))
