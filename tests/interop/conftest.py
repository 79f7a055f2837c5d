"""Fixtures of the tests against real programs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def helms(peers: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Helm]:
    """Helm 4 and Helm 3, to be called with their words; neither talks to a cluster here."""
    home = tmp_path_factory.mktemp("helm")

    def runner(program: Path) -> Helm:
        def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [program, *words],
                check=False,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=120,
                env={"HOME": str(home), "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"},
            )

        return run

    return {name: runner(peers[name]) for name in ("helm", "helm3")}
