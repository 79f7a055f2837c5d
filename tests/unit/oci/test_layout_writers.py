"""Several writers of one layout at once: processes, threads, and some that die."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bob_ci.errors import BobError
from bob_ci.oci.descriptor import EMPTY, MANIFEST, OCTETS, Descriptor, canonical_json
from bob_ci.oci.layout import LayoutStore

WRITERS = 12
TAGS_EACH = 5
FORK = multiprocessing.get_context("fork")


def manifest(name: str) -> bytes:
    members = {"schemaVersion": 2, "mediaType": MANIFEST, "config": EMPTY.to_json(), "layers": []}
    return canonical_json(members | {"annotations": {"name": name}})


def write(root: Path, writer: int, count: int = TAGS_EACH) -> None:
    store = LayoutStore(root)
    store.put_blob(EMPTY, b"{}")
    for number in range(count):
        data = manifest(f"{writer}-{number}")
        descriptor = Descriptor.of(MANIFEST, data)
        store.put_manifest(descriptor, data)
        store.tag(descriptor, f"w{writer}-{number}")
        store.tag(descriptor, "latest")


def check(root: Path, writers: int, count: int = TAGS_EACH) -> None:
    store = LayoutStore(root)
    expected = {f"w{writer}-{number}" for writer in range(writers) for number in range(count)}
    assert set(store.tags()) == expected | {"latest"}
    for tag in store.tags():
        store.fetch_manifest(tag)
    assert not list(root.rglob(".*"))


def run(target: Callable[..., None], arguments: list[tuple[object, ...]]) -> None:
    processes = [FORK.Process(target=target, args=one) for one in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_processes_lose_no_tag(tmp_path: Path) -> None:
    root = tmp_path / "new/layout"
    run(write, [(root, writer) for writer in range(WRITERS)])
    check(root, WRITERS)


def test_threads_lose_no_tag(tmp_path: Path) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda writer: write(tmp_path, writer), range(WRITERS)))
    check(tmp_path, WRITERS)


def test_a_reader_meets_only_whole_states(tmp_path: Path) -> None:
    write(tmp_path, 0, 1)
    writer = FORK.Process(target=write, args=(tmp_path, 1, 40))
    writer.start()
    store, seen = LayoutStore(tmp_path), 0
    while writer.is_alive():
        tags = store.tags()
        assert len(tags) >= seen
        seen = len(tags)
        store.fetch_manifest("latest")
    writer.join()
    assert writer.exitcode == 0


def forever(root: Path, writer: int) -> None:
    for round_ in range(10_000):
        write(root, writer * 10_000 + round_, 1)


def test_killed_writers_leave_a_layout(tmp_path: Path) -> None:
    for delay in (0.0, 0.003, 0.01, 0.03, 0.05):
        writers = [FORK.Process(target=forever, args=(tmp_path, writer)) for writer in range(3)]
        for process in writers:
            process.start()
        time.sleep(delay)
        for process in writers:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        store = LayoutStore(tmp_path, lock_seconds=5)
        write(tmp_path, 9_999_999, 1)
        for tag in store.tags():
            store.fetch_manifest(tag)


def test_the_same_blob_by_all(tmp_path: Path) -> None:
    data = os.urandom(300_000)
    blob = Descriptor.of(OCTETS, data)
    store = LayoutStore(tmp_path)
    with ThreadPoolExecutor(WRITERS) as pool:
        written = list(pool.map(lambda _: store.put_blob(blob, data), range(WRITERS)))
    assert any(written)
    assert store.fetch_blob(blob) == data
    assert not list(tmp_path.rglob(".*"))


def test_waiting_has_an_end(tmp_path: Path) -> None:
    write(tmp_path, 0, 1)
    store = LayoutStore(tmp_path, lock_seconds=0.05)
    one = store.resolve("latest")
    with (tmp_path / "oci-layout").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BobError, match="locked by another process"):
            store.tag(one, "v2")
        store.tag(one, "latest")
    store.tag(one, "v2")
    assert "v2" in store.tags()


def test_a_layout_that_is_replaced_while_we_wait(tmp_path: Path) -> None:
    root, other = tmp_path / "layout", tmp_path / "other"
    write(root, 0, 1)
    write(other, 0, 1)
    one = LayoutStore(root).resolve("latest")
    with (root / "oci-layout").open("rb") as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = pool.submit(LayoutStore(root).tag, one, "v2")
        time.sleep(0.03)
        (other / "oci-layout").rename(root / "oci-layout")
        waiting.result(5)
    assert "v2" in LayoutStore(root).tags()
