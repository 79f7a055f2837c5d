"""A bundle that is a chart already: the real `helm` renders it, where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bob_ci.errors import BobError

_TIMEOUT = 120  # seconds; a chart renders in well under one


def helm_template(
    directory: Path,
    name: str,
    *,
    values: Sequence[Path],
    assignments: Sequence[str],
    environ: Mapping[str, str],
) -> str:
    """What `helm template` prints for a chart, without its tests.

    Raises:
        BobError: helm is not installed, or refuses the chart.
    """
    helm = shutil.which("helm", path=environ.get("PATH", os.defpath))
    if helm is None:
        raise BobError(
            f"{directory}: is a Helm chart, and helm is not installed",
            hint="install helm, or publish the chart as it is: nothing but rendering needs helm",
        )
    command = [helm, "template", name, str(directory), "--skip-tests"]
    command += [part for file in values for part in ("--values", str(file))]
    command += [part for assignment in assignments for part in ("--set-string", assignment)]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_TIMEOUT,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BobError(f"{directory}: helm template: {error}") from None
    if done.returncode:
        raise BobError(f"{directory}: helm template: {done.stderr.strip()}", hint=_hint(done.stderr))
    return done.stdout


def _hint(problem: str) -> str | None:
    if "missing in charts/" in problem:
        return "the chart has dependencies: run `helm dependency build` in it first"
    return None
