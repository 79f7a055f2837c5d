"""BOB6xx: values and files of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bob_ci.bundle.render import render
from bob_ci.bundle.source import read_bundle
from bob_ci.bundle.view import view
from bob_ci.lint.finding import Severity, at_or_above, count
from bob_ci.lint.run import lint
from bob_ci.oci.platform import DEFAULT_PLATFORM

PROFILE = """apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: NetworkNeighborhood
metadata:
  name: p
spec:
  containers:
  - name: $values.name
    egress:
    - identifier: x
      ipAddresses:
      - $values.CIDR
      - $values.IPS.hosts
"""
GOOD = {"bob.yaml": PROFILE, "bob.values": "name=n\nCIDR=10.0.0.0/8\nIPS=10.0.0.1\n"}
MANIFEST = "apiVersion: k8sstormcenter.io/v1alpha1\nkind: BoBManifest\nspec:\n"

CASES: dict[str, tuple[Mapping[str, str], str]] = {
    "good": ({}, ""),
    "unused": (
        {"bob.values": "# c\nname=n\nnone=1\nCIDR=10.0.0.0/8\nIPS=10.0.0.1\nNONE=\n"},
        "BOB602:bob.values:3:none BOB602:bob.values:6:NONE",
    ),
    "unused, nested": (
        {"bob.values.yaml": "m:\n  a: 1\n  b: 2\n", "deployment.yaml": "kind: X\na: $values.m.a\n"},
        "BOB602:bob.values.yaml:3:m.b",
    ),
    "used in a test": ({"bob.values.yaml": "a: 1\n", "bob.test.yaml": "metadata: {name: $values.a}\n"}, ""),
    "used as a whole": (
        {"bob.values.yaml": "m: {a: 1}\n", "deployment.yaml": "a: {{ values.m | to_yaml }}\n"},
        "",
    ),
    "used in a condition": (
        {"bob.values.yaml": "a: x\n", "deployment.yaml": "{% if values.a == 'x' %}\na: 1\n{% endif %}\n"},
        "",
    ),
    "mentioned in a comment": (
        {"bob.values.yaml": "a: x\n", "deployment.yaml": "# $values.a {{ values.a }}\nk: 1\n"},
        "BOB602:bob.values.yaml:1:a",
    ),
    "host bits": (
        {
            "bob.values": "name=n\nCIDR=10.0.0.0/8,10.1.0.1/8\nIPS=10.0.0.1/31,192.0.2.1,::1/8\n".replace(
                ",::1/8", ""
            )
        },
        "BOB607:bob.values:2:CIDR BOB607:bob.values:3:IPS",
    ),
    "repeated": (
        {"bob.values": "name=n\nCIDR=10.0.0.0/8,::1,10.0.0.0/8\nIPS=10.0.0.1,10.0.0.1\n"},
        "BOB608:bob.values:2:CIDR BOB608:bob.values:3:IPS",
    ),
    "repeated words": (
        {"bob.values.yaml": "WORDS: [a, a]\n", "deployment.yaml": "k:\n- $values.WORDS\n"},
        "",
    ),
    "an overlay alone": (
        {
            "bob.yaml": PROFILE.replace("spec:\n", "spec:\n  architectures: [amd64]\n"),
            "platforms/linux-arm64/bob.values": "name=m\n",
        },
        "BOB202:bob.yaml:6:spec.architectures BOB621:platforms/linux-arm64:1:",
    ),
    "overlays for all": (
        {"platforms/linux-arm64/bob.values": "name=m\n", "platforms/linux-amd64/bob.values": "name=m\n"},
        "",
    ),
    "an overlay that the manifest does not list": (
        {
            "manifest.yaml": MANIFEST + "  platforms: [linux/amd64]\n",
            "platforms/linux-arm64/bob.values": "name=m\n",
        },
        "BOB622:platforms/linux-arm64:1:",
    ),
    "left out": ({"README.md": "", "b.txt": ""}, "BOB620:README.md:1:"),
    "packed": ({"README.md": "", "manifest.yaml": MANIFEST + "  files: [README.md]\n"}, ""),
}


def findings(folder: Path, files: Mapping[str, str]) -> list[str]:
    for name, text in {**GOOD, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    bundle = read_bundle(folder)
    found = lint(bundle, [render(view(bundle, DEFAULT_PLATFORM))])
    return [f"{each.code}:{Path(each.file).relative_to(folder)}:{each.line}:{each.path}" for each in found]


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=list(CASES))
def test_bundle(tmp_path: Path, files: Mapping[str, str], expected: str) -> None:
    assert " ".join(findings(tmp_path, files)) == expected


def test_severities(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    bundle = read_bundle(_written(tmp_path))
    found = lint(bundle, [render(view(bundle, DEFAULT_PLATFORM))])
    assert [count(found, severity) for severity in Severity] == [1, 1, 0]
    assert at_or_above(found, Severity.named("warning"))
    assert not at_or_above(found, Severity.ERROR)


def _written(folder: Path) -> Path:
    for name, text in {**GOOD, "bob.values": GOOD["bob.values"] + "none=1\n"}.items():
        (folder / name).write_text(text)
    return folder
