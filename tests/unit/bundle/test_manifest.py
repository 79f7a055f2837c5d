"""`manifest.yaml`, and what a bundle is called."""

from __future__ import annotations

import pytest

from bob_ci.bundle.manifest import Manifest, read
from bob_ci.bundle.name import bundle_name
from bob_ci.errors import InputError
from bob_ci.oci.platform import Platform
from bob_ci.profile.objects import Summary

HEAD = "apiVersion: k8sstormcenter.io/v1alpha1\nkind: BoBManifest\n"


def test_everything() -> None:
    text = (
        HEAD
        + """spec:
  name: web-1
  version: 1.10
""".replace("1.10", "1.10.0-rc.1+build.5")
        + """  description: "several\\nlines"
  author: A
  licenses: Apache-2.0 OR MIT
  images: [ghcr.io/x/y, "docker.io/z"]
  platforms: [linux/arm64/v8, linux/amd64]
  files:
  - notes.md
"""
    )
    assert read(text, "f") == Manifest(
        "web-1",
        "1.10.0-rc.1+build.5",
        "several\nlines",
        "A",
        "Apache-2.0 OR MIT",
        ("ghcr.io/x/y", "docker.io/z"),
        (Platform("linux", "arm64"), Platform("linux", "amd64")),
        ("notes.md",),
    )
    assert read(HEAD + "spec: {}", "f") == Manifest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1: the manifest: must be a map"),
        ("- a", "f:1: the manifest: must be a map"),
        ("kind: BoBManifest\nspec: {}", "f:1: apiVersion: must be k8sstormcenter.io/v1alpha1"),
        (HEAD.replace("alpha", "beta") + "spec: {}", "f:1: apiVersion: must be k8sstormcenter.io/v1alpha1"),
        (HEAD.replace("BoBM", "M") + "spec: {}", "f:2: kind: must be BoBManifest"),
        (HEAD, "f:1: spec: must be a map"),
        (HEAD + "spec: x", "f:3: spec: must be a map"),
        (HEAD + "metadata: {}\nspec: {}", "f:3: metadata: no such key"),
        (HEAD + "spec:\n  nme: x", "f:4: nme: no such key"),
        (HEAD + "spec:\n  name: [x]", "f:4: name: must be a string"),
        (HEAD + "spec:\n  images: x", "f:4: images: must be a list"),
        (HEAD + "spec:\n  images:\n  - x\n  - {}", "f:6: images: must be a string"),
        (HEAD + "spec:\n  platforms: [linux/amd64,\n    linux/z80]", "f:5: "),
        (HEAD + "spec:\n  name: Web", "f:4: name: 'Web' is no chart name"),
        (HEAD + f"spec:\n  name: {'a' * 54}", "f:4: name: "),
        (HEAD + "spec:\n  name: a-", "f:4: name: "),
        (HEAD + 'spec:\n  name: ""', "f:4: name: "),
        (HEAD + "spec:\n  version: 1.2", "f:4: version: '1.2' is no semantic version like 1.2.3"),
        (HEAD + "spec:\n  version: v1.2.3", "f:4: version: "),
        (HEAD + "spec:\n  version: 1.02.3", "f:4: version: "),
        (HEAD + 'spec:\n  description: "\\x7f"', "f:4: description: holds a control character"),
        (HEAD + 'spec:\n  author: "\\u2028"', "f:4: author: holds a control character"),
        (HEAD + "spec: {a: *x}", "f:3: "),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text, "f")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "source", "profiles", "expected"),
    [
        ("given", "https://github.com/org/repo", ["p"], "given"),
        ("", "https://github.com/Org/Repo_1.git", ["p"], "repo-1"),
        ("", "git@host:path/repo/", ["p"], "repo"),
        ("", None, ["replicaset-web-67965968", "other"], "replicaset-web-67965968"),
        ("", "https://host/---", ["", "p"], "p"),
        ("", "x/" + "a" * 52 + "-b", [], "a" * 52),
        ("", None, [], "bob"),
    ],
)
def test_name(name: str, source: str | None, profiles: list[str], expected: str) -> None:
    made = tuple(Summary("ApplicationProfile", profile, ()) for profile in profiles)
    assert bundle_name(Manifest(name=name), source, made) == expected
