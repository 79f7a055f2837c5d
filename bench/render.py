"""`bobctl render` against `helm template`: the same bundle of 350 templated profiles, in one run.

Real profiles are taken from ../shared/data where that is there; elsewhere the example's, which is smaller.
Prints the median of whole processes, and the ratio to the faster Helm. Cold start: one small bundle.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT.parent / "shared" / "data" / "profiles"
PEERS = Path(
    os.environ.get("PEERS_BIN")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bob-peers" / "bin"
)
BOBCTL = Path(sys.executable).parent / "bobctl"
PROFILES = 350
LARGEST = 100_000  # characters: 350 of these stay below the 5 MiB that Helm 3 takes for one template
RUNS = 7
# As on a user's machine: modules are compiled once, and output is buffered.
ENVIRONMENT = {
    name: text
    for name, text in os.environ.items()
    if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
}

VALUES = """name=webapp
namespace=default
clustername=honeycluster
NETWORK_BLOCKS=10.42.0.0/16,10.244.0.0/16
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        large = bundle(Path(scratch) / "large", list(profiles()))
        small = bundle(Path(scratch) / "small", list(islice(profiles(), 1)))
        size = (large / "bob.yaml").stat().st_size
        print(f"{PROFILES} profiles, {size / 1e6:.1f} MB; median of {RUNS} runs, seconds")
        compare(large)
        print("cold start, one profile")
        compare(small)


def compare(directory: Path) -> None:
    """Times of all renderers over one bundle, taken in turns."""
    chart = directory / "chart"
    command = [str(BOBCTL), "chart", str(directory), "--output", str(chart)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    commands = {"bobctl": [str(BOBCTL), "render", str(directory)]}
    for name in ("helm", "helm3"):
        program = shutil.which(name, path=f"{PEERS}{os.pathsep}{os.environ['PATH']}")
        if program:
            commands[name] = [program, "template", "x", str(chart)]
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, median in medians.items():
        ratio = f"  bobctl is {medians['bobctl'] / median:.2f} x" if name != "bobctl" else ""
        print(f"  {name:<8} {median:.3f}  (min {min(taken[name]):.3f}, max {max(taken[name]):.3f}){ratio}")


def seconds(command: Sequence[str]) -> float:
    """How long a command takes as a whole process, its output written to a file."""
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=out, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        return time.perf_counter() - start


def bundle(directory: Path, documents: list[str]) -> Path:
    """A bundle of these profiles."""
    directory.mkdir()
    (directory / "bob.yaml").write_text("---\n".join(documents), encoding="utf-8")
    (directory / "bob.values").write_text(VALUES, encoding="utf-8")
    return directory


def profiles() -> Iterator[str]:
    """Templated profiles, as many as are asked for; the same ones again where there are fewer."""
    return islice(cycle([templated(text) for text in recorded()]), PROFILES)


def recorded() -> list[str]:
    """Real profiles that are one plain document each; else the example's."""
    texts = (
        [path.read_text(encoding="utf-8") for path in sorted(REAL.glob("*.yaml"))] if REAL.is_dir() else []
    )
    usable = [text for text in texts if text.startswith("apiVersion:") and fits(text)]
    return usable or [
        (ROOT / "examples" / "webapp" / "bob.yaml").read_text(encoding="utf-8").split("\n---\n")[0]
    ]


def fits(text: str) -> bool:
    """Whether a recording is plain YAML of a usual size."""
    return "{{" not in text and "\n---" not in text and len(text) < LARGEST


def templated(text: str) -> str:
    """The cluster's own names out of a recording, as an author would take them out."""
    replacements = {
        r"^(  namespace: ).*$": r"\1$values.namespace",
        r"^(    kubescape.io/workload-namespace: ).*$": r"\1$values.namespace",
        r"^(    kubescape.io/workload-name: ).*$": r'\1"$values.name"',
        r"^(    kubescape.io/wlid: ).*$": r"\1wlid://cluster-$values.clustername/namespace-$values.namespace/deployment-$values.name",
        r"^(\s*- )(\d+\.\d+\.\d+\.\d+)$": r'\1"$values.NETWORK_BLOCKS"',
    }
    for pattern, replacement in replacements.items():
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text if text.endswith("\n") else text + "\n"


if __name__ == "__main__":
    main()
