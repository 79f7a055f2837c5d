"""Command lines, in this process and in one of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from bob_ci.cli.run import run

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
PROGRAM = (sys.executable, "-c", "from bob_ci.cli import main; main()")

FILES = {
    "bob.yaml": """\
apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ContainerProfile
metadata:
  name: $values.name
  namespace: default
  annotations:
    kubescape.io/managed-by: User
spec:
  architectures:
  - amd64
  capabilities: []
  execs:
  - path: /usr/bin/web
  opens: []
  syscalls: []
  endpoints: []
""",
    "bob.values": "name=web\n",
    "deployment.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: $values.name\n",
    "manifest.yaml": """\
apiVersion: k8sstormcenter.io/v1alpha1
kind: BoBManifest
spec:
  name: web
  version: 1.2.3
  images: [ghcr.io/acme/web]
""",
}

Done = subprocess.CompletedProcess[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that commands run in, and names are relative to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")
    return tmp_path


@pytest.fixture
def bundle(here: Path) -> Path:
    """A bundle without findings, at `bundle`."""
    for name, text in FILES.items():
        (here / "bundle").mkdir(exist_ok=True)
        (here / "bundle" / name).write_text(text)
    return here / "bundle"


@pytest.fixture
def bobctl() -> Callable[..., Done]:
    """Run a command line in this process."""

    def call(*words: object) -> Done:
        arguments = [str(word) for word in words]
        with CliRunner().isolation() as (out, err, _):
            code = run(arguments)
            return subprocess.CompletedProcess(
                arguments, code, out.getvalue().decode(), err.getvalue().decode()
            )

    return call


@pytest.fixture
def process() -> Callable[..., Done]:
    """Run a command line in a process of its own."""

    def call(*words: object, **options: Any) -> Done:
        command = [*PROGRAM, *(str(word) for word in words)]
        return subprocess.run(
            command, check=False, **({"capture_output": True, "text": True, "timeout": 60} | options)
        )

    return call


@pytest.fixture
def result(bobctl: Callable[..., Done]) -> Callable[..., Any]:
    """Run a command line with `--format json`; hold its result against the command's schema, and give it."""

    def call(*words: object) -> Any:
        done = bobctl(*words, "--format", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        schema = json.loads((SCHEMAS / f"{words[0]}.json").read_bytes())
        Draft202012Validator(schema).validate(found)
        return found

    return call


@pytest.fixture
def published(bundle: Path, bobctl: Callable[..., Done]) -> str:
    """The bundle as `oci-layout:layout:1.0.0`; gives its digest."""
    done = bobctl("publish", bundle, "oci-layout:layout:1.0.0", "--format", "json")
    assert done.returncode == 0, done.stderr
    digest: str = json.loads(done.stdout)["digest"]
    return digest
