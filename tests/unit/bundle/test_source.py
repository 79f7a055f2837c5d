"""FORMAT.md 1: which files make a bundle, and which do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bob_ci.bundle import source
from bob_ci.bundle.source import Kind, read_bundle
from bob_ci.errors import InputError

MANIFEST = "apiVersion: k8sstormcenter.io/v1alpha1\nkind: BoBManifest\nspec:\n"


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


@pytest.mark.parametrize(
    ("role", "names"),
    {
        "profiles": ("bob.yaml", "bob_generated.yaml"),
        "values": ("bob.values", "bob_generated.values"),
        "values-yaml": ("bob.values.yaml", "values.yaml"),
        "deployment": ("deployment.yaml",),
        "test": ("bob.test.yaml", "deploy_test.yaml", "bob.test"),
    }.items(),
)
def test_every_name_of_a_part(tmp_path: Path, role: str, names: tuple[str, ...]) -> None:
    for name in names:
        folder = write(tmp_path / name, {"bob.yaml": "", **({} if role == "profiles" else {name: "x"})})
        if role == "profiles":
            (folder / "bob.yaml").rename(folder / name)
        bundle = read_bundle(folder)
        assert bundle.kind is Kind.BUNDLE
        assert (bundle.part(role) or ("",))[0] == name


@pytest.mark.parametrize(
    "pair",
    [
        ("bob.yaml", "bob_generated.yaml"),
        ("bob.values", "bob_generated.values"),
        ("bob.values.yaml", "values.yaml"),
        ("bob.test.yaml", "deploy_test.yaml"),
        ("deploy_test.yaml", "bob.test"),
    ],
)
def test_two_names_of_one_file(tmp_path: Path, pair: tuple[str, str]) -> None:
    write(tmp_path, {"bob.yaml": "", pair[0]: "", pair[1]: ""})
    with pytest.raises(InputError) as caught:
        read_bundle(tmp_path)
    assert f"{pair[0]} and {pair[1]} are two names of one file" in str(caught.value)
    assert caught.value.hint == f"keep {pair[0]}"


def test_two_names_of_one_file_in_an_overlay(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "bob.yaml": "",
            "platforms/linux-arm64/bob.values.yaml": "",
            "platforms/linux-arm64/values.yaml": "",
        },
    )
    with pytest.raises(
        InputError, match=r"platforms/linux-arm64: bob.values.yaml and values.yaml are two names"
    ):
        read_bundle(tmp_path)


def test_what_is_packed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "bob.yaml": "",
            "manifest.yaml": MANIFEST + "  files: [docs/notes.md]\n",
            "docs/notes.md": "packed",
            "docs/other.md": "not",
            "README.md": "not",
            "platforms/linux-arm64/bob.values": "",
            "platforms/linux-arm64/manifest.yaml": "no overlay has one",
            "platforms/linux-arm64/deep/bob.values": "not",
            ".git/config": "not even mentioned",
        },
    )
    bundle = read_bundle(tmp_path)
    assert list(bundle.files) == [
        "bob.yaml",
        "docs/notes.md",
        "manifest.yaml",
        "platforms/linux-arm64/bob.values",
    ]
    assert bundle.left_out == (
        "README.md",
        "docs/other.md",
        "platforms/linux-arm64/deep/bob.values",
        "platforms/linux-arm64/manifest.yaml",
    )


def test_a_chart_and_a_plain_directory(tmp_path: Path) -> None:
    chart = write(tmp_path / "chart", {"Chart.yaml": "", "templates/bob.yaml": "", "bob.yaml": "", "x": ""})
    assert read_bundle(chart).kind is Kind.CHART
    assert sorted(read_bundle(chart).files) == ["Chart.yaml", "bob.yaml", "templates/bob.yaml", "x"]
    no_chart = write(tmp_path / "no-chart", {"Chart.yaml": "", "bob.yaml": ""})
    assert read_bundle(no_chart).kind is Kind.BUNDLE
    plain = write(tmp_path / "plain", {"kustomization.yaml": "", "bob.values": "a=1"})
    assert read_bundle(plain).kind is Kind.PLAIN
    assert read_bundle(write(tmp_path / "empty", {"x": ""})).kind is Kind.PLAIN


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = write(tmp_path / "outside", {"secret": "s"})
    folder = write(tmp_path / "bundle", {"bob.yaml": ""})
    link = folder / "bob.values"
    for target, message in (
        (outside / "secret", "a link that leads out of the bundle"),
        (folder / "none", "cannot be read|not a regular file"),
        (folder, "not a regular file"),
    ):
        link.symlink_to(target)
        if target.is_dir():
            continue
        with pytest.raises(InputError, match=message):
            read_bundle(folder)
        link.unlink()
    link.unlink()
    write(folder, {"platforms/plan10-x/bob.values": ""})
    with pytest.raises(InputError, match="plan10-x"):
        read_bundle(folder)
    (folder / "platforms/plan10-x/bob.values").unlink()
    write(folder, {"manifest.yaml": MANIFEST + "  files: [none.md]\n"})
    with pytest.raises(InputError, match=r"manifest\.yaml: spec.files names none.md, which is not there"):
        read_bundle(folder)
    with pytest.raises(InputError, match="no such directory"):
        read_bundle(tmp_path / "none")
    monkeypatch.setattr(source, "MAX_FILES", 1)
    with pytest.raises(InputError, match="more than 1 files"):
        read_bundle(folder)
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 3)
    with pytest.raises(InputError, match="larger than"):
        read_bundle(write(tmp_path / "large", {"bob.yaml": "1234"}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\n\xff\n", "f:2: not UTF-8"),
        ("⋯\nü".encode("latin-1", "replace"), "f:2: not UTF-8"),
        (b"\xef\xbb\xbfa", "f:1: begins with a byte order mark"),
        ("⋯\na\0".encode(), "f:2: holds a NUL byte"),
        ("⋯⋯⋯⋯\r\na\rb\n".encode(), "f:2: holds a carriage return without a line feed"),
        (b"a\r\r\n", "f:1: holds a carriage return without a line feed"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        source.text(data, "f")
    assert str(caught.value) == message


def test_text_is_kept() -> None:
    assert source.text("⋯\r\n🙂".encode(), "f") == "⋯\r\n🙂"
