"""A bundle for one platform: overlays, which value wins, which platforms there are, what values must fit."""
# ruff: noqa: E501 -- a case is a line

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bob_ci.bundle.render import render
from bob_ci.bundle.source import read_bundle
from bob_ci.bundle.view import Overrides, one_platform, platforms_of, view
from bob_ci.errors import InputError
from bob_ci.oci.platform import DEFAULT_PLATFORM, Platform

ARM = Platform("linux", "arm64")
PROFILE = "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1\nkind: ApplicationProfile\n"
MANIFEST = "apiVersion: k8sstormcenter.io/v1alpha1\nkind: BoBManifest\nspec:\n"


def bundle(folder: Path, files: Mapping[str, str]) -> Path:
    for name, content in {"bob.yaml": "k: $values.a\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def rendered(folder: Path, platform: Platform = DEFAULT_PLATFORM, overrides: Overrides | None = None) -> str:
    return render(view(read_bundle(folder), platform, overrides)).text


def test_later_wins(tmp_path: Path) -> None:
    folder = bundle(
        tmp_path / "b", {"bob.values": "a=bundle\n", "platforms/linux-arm64/bob.values.yaml": "a: overlay\n"}
    )
    lines, yaml = tmp_path / "x.values", tmp_path / "x.json"
    lines.write_text("a=file\n")
    yaml.write_text('{"a": "json"}')
    assert rendered(folder) == "k: bundle\n"
    assert rendered(folder, ARM) == "k: overlay\n"
    assert rendered(folder, ARM, Overrides((lines,))) == "k: file\n"
    assert rendered(folder, ARM, Overrides((lines, yaml))) == "k: json\n"
    assert rendered(folder, ARM, Overrides((yaml, lines), ("a=set",))) == "k: set\n"
    assert rendered(folder, ARM, Overrides((), ("a=set", "a=last"))) == "k: last\n"


def test_an_overlay_replaces_files_and_merges_values(tmp_path: Path) -> None:
    folder = bundle(
        tmp_path,
        {
            "bob.values": "a=1\n",
            "bob.values.yaml": "m: {x: 1, y: 2}\n",
            "platforms/linux-arm64/bob_generated.yaml": "k: $values.a/$values.m.x/$values.m.y\n",
            "platforms/linux-arm64/bob.values.yaml": "m: {y: 3}\n",
            "deployment.yaml": "d: $values.m.y\n",
        },
    )
    assert rendered(folder) == "k: 1\n---\nd: 2\n"
    assert rendered(folder, ARM) == "k: 1/1/3\n---\nd: 3\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"bob.values": "b=1\na=1\n", "bob.values.yaml": "x: 1\na: 2\n"}, "bob.values.yaml:2: a: given in {}bob.values:2 too"),
        ({"bob.values": "b=1\n"}, "bob.yaml:1: $values.a: no such value is given"),
        ({"bob.values": "a=1\n", "bob.yaml": "k: 1\nl: {{ values.c }}\n"}, "bob.yaml:2: c: no such value is given"),
        ({"bob.values": "a=1\n\nb\n"}, "bob.values:3: 'b': not `key=value`"),
        ({"bob.values": "a=1\n", "platforms/linux-amd64/bob.values.yaml": "a: [1]\n"}, "platforms/linux-amd64/bob.values.yaml:1: a: a list where a scalar is due"),
        ({"bob.values": "a=1\n", "bob.yaml": "kind: ApplicationProfileList\nk: $values.a"}, "bob.yaml: ApplicationProfileList: a list of profiles with placeholders"),
        ({"bob.values": "a=ApplicationProfile\n", "bob.yaml": "kind: $values.a\n"}, "bob.yaml: a placeholder in apiVersion or kind of a profile"),
        ({"bob.values": "a=1\n", "deployment.yaml": "b: 1\na: ]\n"}, "deployment.yaml:2: not YAML: did not find expected node content"),
        ({"bob.values": "a=1\n", "bob.test": "kind: Pod\n"}, "bob.test:1: an object of the test has no metadata"),
    ],
)  # fmt: skip
def test_errors(tmp_path: Path, files: Mapping[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        rendered(bundle(tmp_path, files))
    assert str(caught.value) == f"{tmp_path}/{message.format(f'{tmp_path}/')}"


def test_a_values_file_that_is_none(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "b", {"bob.values": "a=1\n"})
    with pytest.raises(InputError, match=r"none: cannot be read: No such file"):
        rendered(folder, overrides=Overrides((tmp_path / "none",)))
    (tmp_path / "latin").write_bytes(b"a=1\n\xe9=2")
    with pytest.raises(InputError, match="latin:2: not UTF-8"):
        rendered(folder, overrides=Overrides((tmp_path / "latin",)))


def test_an_other_object_may_have_a_kind_by_value(tmp_path: Path) -> None:
    assert (
        rendered(bundle(tmp_path, {"bob.values": "a=1\n", "deployment.yaml": "kind: $values.a\n"}))
        == "k: 1\n---\nkind: 1\n"
    )


@pytest.mark.parametrize(
    ("files", "asked", "expected"),
    [
        ({}, (), "linux/amd64"),
        (
            {"bob.yaml": PROFILE + "spec:\n  architectures:\n  - amd64\n  - arm64\n"},
            (),
            "linux/amd64 linux/arm64",
        ),
        ({"bob.yaml": PROFILE + "spec:\n  architectures: [arm64, 's390x']\n"}, (), "linux/arm64 linux/s390x"),
        ({"bob.yaml": PROFILE + 'spec:\r\n  architectures:\r\n    - "arm64"\r\n'}, (), "linux/arm64"),
        ({"bob.yaml": PROFILE + "spec:\n  architectures: [$values.a]\n"}, (), "linux/amd64"),
        ({"bob.yaml": PROFILE + "spec:\n  architectures: []\n"}, (), "linux/amd64"),
        (
            {
                "platforms/linux-arm-v7/bob.values": "",
                "bob.yaml": PROFILE + "spec:\n  architectures: [s390x]\n",
            },
            (),
            "linux/arm/v7",
        ),
        (
            {
                "manifest.yaml": MANIFEST + "  platforms: [linux/arm64, linux/386]\n",
                "platforms/linux-arm-v7/bob.values": "",
            },
            (),
            "linux/386 linux/arm64",
        ),
        (
            {"manifest.yaml": MANIFEST + "  platforms: [linux/arm64]\n"},
            ("linux/amd64", "linux/amd64"),
            "linux/amd64",
        ),
    ],
)
def test_platforms(tmp_path: Path, files: Mapping[str, str], asked: tuple[str, ...], expected: str) -> None:
    found = platforms_of(read_bundle(bundle(tmp_path, files)), tuple(map(Platform.parse, asked)))
    assert found == tuple(map(Platform.parse, expected.split()))


def test_the_platform_of_render(tmp_path: Path) -> None:
    both = read_bundle(
        bundle(tmp_path / "both", {"manifest.yaml": MANIFEST + "  platforms: [linux/386, linux/amd64]\n"})
    )
    other = read_bundle(
        bundle(tmp_path / "other", {"manifest.yaml": MANIFEST + "  platforms: [linux/s390x, linux/arm64]\n"})
    )
    assert one_platform(both, None) == DEFAULT_PLATFORM
    assert one_platform(other, None) == ARM
    assert one_platform(both, ARM) == ARM


def test_a_set_that_changes_nothing_is_refused(tmp_path: Path) -> None:
    folder = bundle(tmp_path, {"bob.values": "a=x\nunused=y\n", "bob.yaml": "k: $values.a\n"})
    assert rendered(folder, overrides=Overrides(assignments=("unused=z",)))
    with pytest.raises(InputError, match="--set aa=z: the bundle has no value aa") as caught:
        rendered(folder, overrides=Overrides(assignments=("aa=z",)))
    assert caught.value.hint == "its values are a, unused"


def test_a_set_fills_in_what_a_template_asks_for(tmp_path: Path) -> None:
    folder = bundle(tmp_path, {"bob.yaml": '{% if values.a | default("x") == "y" %}\nk: v\n{% endif %}\n'})
    assert rendered(folder, overrides=Overrides(assignments=("a=y",))) == "k: v\n"
