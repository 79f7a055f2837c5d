"""Many publishes of one layout at once, and some that are killed."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bob_ci.oci.layout import LayoutStore
from bob_ci.pull import pull

PROGRAM = (sys.executable, "-c", "from bob_ci.cli import main; main()")
WRITERS = 12
TAG = "oci-layout:layout:1.0.0"


@pytest.fixture
def here(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shared_data / "webapp", tmp_path / "webapp")
    return tmp_path


def start(*words: object) -> subprocess.Popen[str]:
    command = [*PROGRAM, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def bobctl(*words: object) -> str:
    return finish(start(*words))


def readable(layout: Path, *tags: set[str]) -> None:
    """The tags are one of these sets, and each names an artifact that is whole."""
    store = LayoutStore(layout)
    assert set(store.tags()) in tags
    for tag in store.tags():
        assert pull(store, tag).files


@pytest.mark.parametrize("is_same", [True, False], ids=["one artifact", "an artifact each"])
def test_many_at_once(here: Path, is_same: bool) -> None:  # noqa: FBT001
    tags = [f"1.0.{number}" for number in range(WRITERS)]
    values = ["same" if is_same else tag for tag in tags]
    running = [
        start("publish", "webapp", f"oci-layout:layout:{tag}", "--tag", "stable", "--set", f"name={value}")
        for tag, value in zip(tags, values, strict=True)
    ]
    for process in running:
        finish(process)
    readable(here / "layout", {*tags, "stable"})
    assert not list((here / "layout").rglob(".*"))


def test_killed_publishes(here: Path) -> None:
    """At random moments: a reader always finds a layout or none, and the next run finishes."""
    bobctl("publish", "webapp", "oci-layout:layout:0.9.0")
    began = time.monotonic()
    bobctl("publish", "webapp", "oci-layout:measure:1.0.0")
    takes = time.monotonic() - began
    chance = random.Random(20260102)
    for number in range(12):
        with start("publish", "webapp", TAG, "--set", f"name=n{number}") as process:
            time.sleep(chance.uniform(0.3, 1.1) * takes)
            os.kill(process.pid, signal.SIGKILL)
        readable(here / "layout", {"0.9.0"}, {"0.9.0", "1.0.0"})
    report = json.loads(bobctl("publish", "webapp", TAG, "--format", "json"))
    assert report["tags"] == ["1.0.0"]
    again = json.loads(bobctl("publish", "webapp", TAG, "--format", "json"))
    assert (again["digest"], again["changed"]) == (report["digest"], False)
    readable(here / "layout", {"0.9.0", "1.0.0"})


KILLED_AT = """
import os, signal, sys
left = int(sys.argv.pop(1))
def dying(real):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return call
os.fsync, os.replace, os.link = dying(os.fsync), dying(os.replace), dying(os.link)
from bob_ci.cli import main
main()
"""


def test_killed_at_every_step(here: Path) -> None:
    """Before each call that brings a file to the disk or gives it its name, in turn."""
    bobctl("publish", "webapp", "oci-layout:layout:0.9.0")
    words = ("publish", "webapp", "oci-layout:copy:1.0.0", "--set", "name=other")
    for left in itertools.count():
        shutil.rmtree(here / "copy", ignore_errors=True)
        shutil.copytree(here / "layout", here / "copy")
        command = [sys.executable, "-c", KILLED_AT, str(left), *words]
        done = subprocess.run(command, capture_output=True, check=False)
        readable(here / "copy", {"0.9.0"} if done.returncode else {"0.9.0", "1.0.0"})
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        if left % 4 == 0:
            bobctl(*words)
            readable(here / "copy", {"0.9.0", "1.0.0"})
    assert left > 8  # four blobs and index.json twice, each to the disk and named
