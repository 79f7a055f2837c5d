"""Archives: the same bytes everywhere, and readable by Python's own tarfile and gzip."""

from __future__ import annotations

import gzip as stdlib_gzip
import hashlib
import io
import os
import pwd
import struct
import subprocess
import sys
import tarfile
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.errors import BobError, MissingExtraError
from bob_ci.oci import archive
from bob_ci.oci.archive import gzip, tar
from bob_ci.oci.unpack import gunzip, unpack

ROOT = Path(__file__).resolve().parents[3]

LONG = "d" * 60 + "/" + "e" * 60 + "/" + "f" * 99
GOLDEN = {
    "bob.yaml": "kind: ContainerProfile\npath: /proc/⋯/maps\n".encode() * 40,
    "bob.values": b"CIDR=10.0.0.0/8\n",
    "Zed": b"",
    "chart/templates/bob.yaml": b"x" * 512,
    "rendered/größe.yaml": bytes(range(256)) * 9,
    LONG: b"long",
    "p" * 120: b"longer",
}

PARTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=12
).filter(lambda part: part not in {".", ".."})
NAMES = st.lists(PARTS | st.just("x" * 90), min_size=1, max_size=5).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=1100), max_size=6).filter(
    lambda files: not any(other.startswith(f"{name}/") for name in files for other in files)
)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_golden() -> None:
    assert digest(tar(GOLDEN)) == "25cd442315bf93bf83fea31ff4eaa1f1b1dd00089ff892f3ca53aaf22d725fc2"
    assert digest(gzip(tar(GOLDEN))) == "ec4ae6da252c83988222569463b70712785c0bdc6a3000caf5e213a2b97565d1"
    assert digest(gzip(b"")) == "10c2221846da8b4250e556aa520c86d6674614d7c5874d8b9cb7f26d62835036"


def pythons() -> list[Path]:
    """Find every Python that we support: this one, and what pyenv has."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    return [Path(sys.executable), *sorted(home.glob(".pyenv/versions/3.1[1-9]*/bin/python"))]


@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.parent.parent.name)
def test_golden_with_every_python(python: Path) -> None:
    code = (
        "import ast, hashlib, sys; from bob_ci.oci.archive import tar;"
        "print(hashlib.sha256(tar(ast.literal_eval(sys.argv[1]))).hexdigest())"
    )
    done = subprocess.run(
        [python, "-B", "-s", "-c", code, repr(GOLDEN)],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "LC_ALL": "C"},
    )
    assert done.stdout.strip() == digest(tar(GOLDEN))


@given(FILES)
def test_round_trip(files: dict[str, bytes]) -> None:
    packed = gzip(tar(files))
    assert unpack(packed) == files
    assert list(unpack(packed)) == sorted(files, key=str.encode)
    assert gzip(tar(dict(reversed(files.items())))) == packed


@given(FILES)
def test_tarfile_reads_it(files: dict[str, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(gzip(tar(files)))) as read:
        found = {one.name: one for one in read}
        contents = {name: handle.read() for name in found if (handle := read.extractfile(found[name]))}
    assert contents == files
    assert {(one.mode, one.uid, one.gid, one.uname, one.gname, one.mtime) for one in found.values()} <= {
        (0o644, 0, 0, "", "", 0)
    }


@given(st.binary(max_size=5000))
def test_gzip_is_gzip(data: bytes) -> None:
    packed = gzip(data)
    assert packed[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
    assert stdlib_gzip.decompress(packed) == data
    assert gunzip(packed, limit=len(data)) == data
    assert struct.unpack("<I", packed[-4:]) == (len(data),)


def test_pax_headers_only_where_a_name_needs_one() -> None:
    assert b"PaxHeader" not in tar({LONG: b"", "x" * 100: b"", "a/" + "x" * 100: b""})
    for name in ("x" * 101, "é", "d" * 156 + "/x", "x/" + "y" * 101):
        assert tar({name: b""}).count(b"PaxHeader") == 1


def test_entries_are_sorted_by_bytes() -> None:
    names = ["Z", "a", "a-b", "a/b", "\uffff", "\U00010000"]
    files = dict.fromkeys(reversed([name for name in names if name != "a"]), b"")
    assert list(unpack(gzip(tar(files)))) == [name for name in names if name != "a"]


def test_the_empty_archive_is_two_blocks() -> None:
    assert tar({}) == bytes(1024)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "a/../b",
        "a/.",
        "../a",
        "a\\b",
        "a\0b",
        "a\nb",
        "\x7f",
        "\x85",
        "\udc80",
    ],
)
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(BobError, match=r"name|plain path"):
        tar({name: b""})


@pytest.mark.parametrize("names", [["a", "a/b"], ["a/b/c", "a/b"], ["x/y/z", "x"]])
def test_a_file_is_no_directory(names: list[str]) -> None:
    with pytest.raises(BobError, match="both a file and a directory"):
        tar(dict.fromkeys(names, b""))


# --- The compressor


@pytest.fixture
def unchecked() -> Iterator[None]:
    archive._checked_compressor.cache_clear()  # noqa: SLF001 -- as in a new process
    yield
    archive._checked_compressor.cache_clear()  # noqa: SLF001


@pytest.mark.usefixtures("unchecked")
def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deflate", None)
    with pytest.raises(MissingExtraError) as caught:
        gzip(b"")
    assert "bob-ci[oci]" in str(caught.value.hint)


@pytest.mark.usefixtures("unchecked")
def test_a_compressor_with_other_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import deflate

    other = types.SimpleNamespace(
        deflate_compress=lambda data, level: deflate.deflate_compress(data, level - 1), __version__="0.9.0"
    )
    monkeypatch.setitem(sys.modules, "deflate", other)
    with pytest.raises(BobError, match="other bytes"):
        gzip(b"")


def test_importing_the_room_imports_nothing_heavy() -> None:
    code = (
        "import sys, bob_ci.oci.layout, bob_ci.oci.unpack, bob_ci.oci.archive;"
        "sys.exit(bool({'deflate','requests','oras','tarfile','asyncio'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
