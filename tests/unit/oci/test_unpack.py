"""Archives from others: what is taken, and a table of what is refused."""

from __future__ import annotations

import gzip as stdlib_gzip
import io
import os
import subprocess
import tarfile
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.errors import BobError
from bob_ci.oci.archive import tar
from bob_ci.oci.unpack import ArchiveError, ExistsError, Limits, unpack, write_tree


def pack(*members: tarfile.TarInfo | tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack anything, also what `tar` refuses."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member, io.BytesIO(b"x" * member.size))
            else:
                archive.addfile(info(member[0], size=len(member[1])), io.BytesIO(member[1]))
    return out.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **changes: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    for key, value in changes.items():
        setattr(member, key, value)
    return member


def zipped(data: bytes) -> bytes:
    return stdlib_gzip.compress(data, mtime=0)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """Change a header's bytes, and put its checksum right."""
    block = bytearray(data[:512])
    block[at : at + len(new)] = new
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data[512:]


ONE = pack(("a", b"hello"))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "absolute": (pack(("/etc/passwd", b"")), "plain path"),
    "absolute folder": (pack(info("/", tarfile.DIRTYPE)), "plain path"),
    "two slashes": (pack(("//etc/passwd", b"")), "plain path"),
    "up": (pack(("../x", b"")), "plain path"),
    "up inside": (pack(("a/../../x", b"")), "plain path"),
    "up behind a dot": (pack(("./../x", b"")), "plain path"),
    "up at the end": (pack(("a/..", b"")), "plain path"),
    "up folder": (pack(info("../x", tarfile.DIRTYPE)), "plain path"),
    "empty name": (patched(ONE, 0, b"\0"), "plain path"),
    "empty folder name": (patched(pack(info("a", tarfile.DIRTYPE)), 0, b"\0\0"), "plain path"),
    "slash at the end": (patched(ONE, 0, b"a/"), "plain path"),
    "dot in between": (pack(("a/./b", b"")), "plain path"),
    "two dots of ./": (pack(("././a", b"")), "plain path"),
    "backslash": (pack(("..\\x", b"")), "in a name"),
    "newline": (pack(("a\nb", b"")), "in a name"),
    "escape": (pack(("\x1b[2J", b"")), "in a name"),
    "not UTF-8": (patched(ONE, 0, b"\xff"), "no UTF-8"),
    "pax path up": (pack(info("a", pax_headers={"path": "../x"})), "plain path"),
    "pax path absolute": (pack(info("a", pax_headers={"path": "/x"})), "plain path"),
    "gnu long name up": (pack(("../" + "x" * 200, b""), form=tarfile.GNU_FORMAT), "plain path"),
    "long name": (pack(("x/" * 3000 + "x", b"")), "4096"),
    "symbolic link": (pack(info("a", tarfile.SYMTYPE, linkname="/etc/passwd")), "symbolic link"),
    "hard link": (pack(info("a", tarfile.LNKTYPE, linkname="/etc/passwd")), "hard link"),
    "character device": (pack(info("a", tarfile.CHRTYPE)), "character device"),
    "block device": (pack(info("a", tarfile.BLKTYPE)), "block device"),
    "fifo": (pack(info("a", tarfile.FIFOTYPE)), "fifo"),
    "contiguous": (pack(info("a", tarfile.CONTTYPE)), "contiguous"),
    "old sparse": (patched(ONE, 156, b"S"), "sparse"),
    "long link": (pack(info("a", tarfile.SYMTYPE, linkname="x" * 200), form=tarfile.GNU_FORMAT), "long name"),
    "pax sparse": (pack(info("a", pax_headers={"GNU.sparse.size": "1"})), "sparse"),
    "unknown kind": (patched(ONE, 156, b"Q"), "unknown kind"),
    "twice": (pack(("a", b"1"), ("a", b"2")), "twice"),
    "twice by ./": (pack(("a", b"1"), ("./a", b"2")), "twice"),
    "file, then below it": (pack(("a", b""), ("a/b", b"")), "both a file"),
    "below it, then file": (pack(("a/b/c", b""), ("a", b"")), "both a file"),
    "file and folder": (pack(("a", b""), info("a", tarfile.DIRTYPE)), "both a file"),
    "file and folder below it": (pack(info("a/b/c", tarfile.DIRTYPE), ("a/b", b"")), "both a file"),
    "folder with bytes": (patched(ONE, 156, b"5"), "directory with bytes"),
    "many members": (pack(*((str(n), b"") for n in range(101))), "more than 100 members"),
    "many folders": (pack(*(info(str(n), tarfile.DIRTYPE) for n in range(101))), "more than 100 members"),
    "many extra headers": (
        b"".join(patched(pack(info("x", b"g")), 156, b"g")[:512] for _ in range(101)),
        "100",
    ),
    "too large": (pack(("a", bytes(1024 * 1024))), "more than"),
    "a huge size": (patched(ONE, 124, b"77777777777\0"), "cut off"),
    "a size in base 256": (patched(ONE, 124, b"\x80" + b"\xff" * 11), "broken number"),
    "a negative size": (patched(ONE, 124, b"-0000000001\0"), "broken number"),
    "a size with junk": (patched(ONE, 124, b"0000_000001\0"), "broken number"),
    "a prefix without ustar": (patched(patched(ONE, 257, b"ustar  "), 345, b"x"), "a prefix"),
    "a size behind NUL": (patched(ONE, 124, b"\x000000000005"), "broken number"),
    "a time of junk": (patched(ONE, 136, b"yesterday"), "broken number"),
    "pax size": (pack(info("a", pax_headers={"size": "1"})), "two sizes"),
    "pax size junk": (pack(info("a", pax_headers={"size": "-1"})), "pax header"),
    "broken checksum": (b"b" + ONE[1:], "broken header"),
    "broken second checksum": (pack(("a", b""), ("b", b"")).replace(b"b\0", b"c\0", 1), "broken header"),
    "no tar": (b"hello" * 200, "not tar"),
    "half a block": (ONE[:300], "cut off"),
    "cut off in a member": (pack(("a", b"x" * 2000))[:1024], "cut off"),
    "something behind the end": (ONE[:1024] + bytes(1024) + ONE, "follows its end"),
    "a header without a member": (pack(info("a" * 101))[:1024] + bytes(1024), "without a member"),
    "two headers for one": (2 * pack(info("a" * 101))[:1024] + ONE, "two headers"),
    "NUL in pax": (pack(info("a", pax_headers={"path": "x\0y"})), "NUL"),
}
HOSTILE["pax global path"] = (
    tarfile.TarInfo.create_pax_global_header({"path": "b"}) + ONE,
    "for all members",
)
SMALL = Limits(members=100, total=256 * 1024)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tar(case: str) -> None:
    data, message = HOSTILE[case]
    with pytest.raises(ArchiveError, match=message):
        unpack(zipped(data), limits=SMALL)


GOOD = zipped(ONE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut off"),
        (b"\x1f", "cut off"),
        (ONE, "not gzip"),
        (b"PK\x03\x04" + bytes(100), "not gzip"),
        (zlib.compress(ONE), "not gzip"),
        (GOOD[:-1], "cut off"),
        (GOOD[:-8], "cut off"),
        (GOOD[:40], "cut off"),
        (GOOD + b"\0", "follows the gzip"),
        (GOOD + GOOD, "follows the gzip"),
        (GOOD[:-8] + bytes(4) + GOOD[-4:], "not gzip"),
        (GOOD[:-4] + bytes(4), "not gzip"),
        (GOOD[:12] + b"\xff" * 40 + GOOD[52:], "not gzip"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_broken_gzip(data: bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        unpack(data)


def test_a_bomb_is_not_inflated() -> None:
    bomb = zipped(bytes(50 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="more than 1000000 bytes"):
            unpack(bomb, limits=Limits(total=1_000_000))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_hostile_names_take_no_hostile_time() -> None:
    deep = [("x/" * 2000 + str(number), b"") for number in range(500)]
    records = b"5 a=\n" * 13_000
    extra = patched(patched(ONE[:512], 156, b"x"), 124, b"%011o\0" % len(records))
    extra += records + bytes(-len(records) % 512)
    many = b"".join(extra + pack((str(number), b""))[:512] for number in range(50))
    began = time.process_time()
    assert len(unpack(zipped(pack(*deep)))) == len(deep)
    assert len(unpack(zipped(many))) == 50
    assert time.process_time() - began < 5


def test_limits_are_inclusive() -> None:
    data = pack(("a", b"1"), ("b", b"2"))
    assert len(unpack(zipped(data), limits=Limits(members=2, total=len(data)))) == 2
    with pytest.raises(ArchiveError):
        unpack(zipped(data), limits=Limits(members=1, total=len(data)))
    with pytest.raises(ArchiveError):
        unpack(zipped(data), limits=Limits(members=2, total=len(data) - 1))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_other_writers_are_read(form: int) -> None:
    long = "d" * 80 + "/" + "f" * 80
    folders = [info("./", tarfile.DIRTYPE), info("./sub", tarfile.DIRTYPE), info(".", tarfile.DIRTYPE)]
    data = pack(*folders, ("./sub/a", b"1"), ("b", b"2"), (long, b"3"), ("é", b"4"), form=form)
    assert unpack(zipped(data)) == {"sub/a": b"1", "b": b"2", long: b"3", "é": b"4"}


@pytest.mark.parametrize(
    "options", [[], ["--format=v7"], ["--format=ustar"], ["--format=gnu"], ["--format=pax"]]
)
def test_gnu_tar_is_read(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/a.yaml").write_bytes(b"a: 1\n")
    command = ["tar", *options, "-C", str(tmp_path / "in"), "-czf", "-", "."]
    packed = subprocess.run(command, check=True, capture_output=True).stdout
    assert unpack(packed) == {"sub/a.yaml": b"a: 1\n"}


def test_gnu_tar_reads_ours(tmp_path: Path) -> None:
    files = {"a/b": b"1", "x" * 150: b"2", "⋯": b"3", "d" * 90 + "/" + "e" * 90: b"4"}
    done = subprocess.run(
        ["tar", "-C", str(tmp_path), "-xf", "-"], input=tar(files), capture_output=True, check=True
    )
    assert done.stderr == b""
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(files)


def test_a_git_archive_is_read() -> None:
    comment = tarfile.TarInfo.create_pax_global_header({"comment": "0123"})
    assert unpack(zipped(comment + ONE)) == {"a": b"hello"}


def test_large_owners_of_gnu_tar_are_read() -> None:
    member = info("a", size=1, uid=200_000_000, gid=2**40, mtime=-1)
    assert unpack(zipped(pack(member, form=tarfile.GNU_FORMAT))) == {"a": b"x"}


def test_an_archive_without_an_end_is_read() -> None:
    assert unpack(zipped(ONE[:1024])) == {"a": b"hello"}
    assert unpack(zipped(b"")) == {}


def plain(names: list[str]) -> bool:
    return all(
        not name.startswith("/")
        and not {"", ".", ".."} & set(name.split("/"))
        and "\\" not in name
        and "\0" not in name
        for name in names
    )


ODD = st.text(st.sampled_from("ab./\\\0\n\u0301é"), max_size=8)


@given(st.lists(st.tuples(ODD, st.sampled_from([b"0", b"5", b"2", b"1", b"\0"])), max_size=4))
def test_names_never_lead_elsewhere(members: list[tuple[str, bytes]]) -> None:
    data = pack(*(info(name, kind) for name, kind in members))
    try:
        files = unpack(zipped(data))
    except ArchiveError:
        return
    assert plain(list(files))


@given(st.binary(max_size=600), st.integers(0, 1500), st.booleans())
def test_noise_is_read_or_refused(noise: bytes, at: int, valid: bool) -> None:  # noqa: FBT001 -- hypothesis gives it
    data = pack(("a", b"x" * 700), ("é" * 80, b"y"))
    broken = patched(data, at % 512, noise[: 512 - at % 512][:20]) if valid else data[:at] + noise + data[at:]
    try:
        files = unpack(zipped(broken))
    except ArchiveError:
        return
    assert plain(list(files))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        unpack(data)


# --- Writing


def test_write_tree(tmp_path: Path) -> None:
    out = tmp_path / "made/on the way"
    old = os.umask(0o027)
    try:
        paths = write_tree({"b": b"2", "a/c/d": b"1"}, out)
    finally:
        os.umask(old)
    assert paths == [out / "a/c/d", out / "b"]
    assert (out / "a/c/d").read_bytes() == b"1"
    assert (out / "b").stat().st_mode & 0o777 == 0o640
    assert (out / "a").stat().st_mode & 0o777 == 0o750
    assert {path.name for path in out.rglob("*")} == {"a", "c", "d", "b"}


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"mine")
    with pytest.raises(ExistsError, match=f"{tmp_path}/b: exists"):
        write_tree({"a": b"1", "b": b"2"}, tmp_path)
    assert not (tmp_path / "a").exists()
    write_tree({"a": b"1", "b": b"2"}, tmp_path, overwrite=True)
    assert (tmp_path / "b").read_bytes() == b"2"


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bob_ci.oci.unpack._check_missing", lambda *_: None)
    (tmp_path / "b").write_bytes(b"mine")
    with pytest.raises(ExistsError):
        write_tree({"b": b"2"}, tmp_path)
    assert (tmp_path / "b").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def link(path: Path, to: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


STANDING: dict[str, Callable[[Path, Path], None]] = {
    "a link as folder": lambda out, away: link(out / "a", away),
    "a link as inner folder": lambda out, away: link(out / "a/b", away),
    "a link as file": lambda out, away: link(out / "a/b/c", away / "victim"),
    "a link that leads nowhere": lambda out, away: link(out / "a/b/c", away / "nothing"),
    "a link inside": lambda out, _: link(out / "a", out),
    "a file as folder": lambda out, _: (out / "a").touch(),
    "a folder as file": lambda out, _: (out / "a/b/c/d").mkdir(parents=True),
}


@pytest.mark.parametrize("case", STANDING)
@pytest.mark.parametrize("overwrite", [True, False])
def test_links_are_not_followed(tmp_path: Path, case: str, *, overwrite: bool) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    out.mkdir()
    away.mkdir()
    (away / "victim").write_bytes(b"untouched")
    STANDING[case](out, away)
    with pytest.raises(BobError):
        write_tree({"a/b/c": b"bad"}, out, overwrite=overwrite)
    assert [(path.name, path.read_bytes()) for path in away.iterdir()] == [("victim", b"untouched")]
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_tree({"a/b": b"1"}, tmp_path / "link")
    assert (tmp_path / "real/a/b").read_bytes() == b"1"


def test_names_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BobError, match="plain path"):
        write_tree({"a": b"1", "../b": b"2"}, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_file_as_directory(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(BobError, match="out"):
        write_tree({"a": b"1"}, tmp_path / "out")
