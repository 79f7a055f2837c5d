"""From a directory to an artifact: what is packed, what is said of it, and that nothing else matters."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bob_ci import artifact
from bob_ci.artifact import Child
from bob_ci.bundle.view import Overrides
from bob_ci.errors import BobError, InputError
from bob_ci.oci.platform import Platform
from bob_ci.prepare import Prepared, Request, prepare

BUNDLE = {
    "bob.yaml": """\
apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ContainerProfile
metadata:
  name: $values.name
  namespace: default
  annotations:
    kubescape.io/managed-by: User
spec:
  architectures:
  - amd64
  capabilities: []
  execs:
  - path: /usr/bin/web
  opens: []
  syscalls: []
  endpoints: []
""",
    "bob.values": "# The page.\nname=web\n",
    "deployment.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: $values.name\n",
    "bob.test.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: $values.name-test\n",
}
MANIFEST = """\
apiVersion: k8sstormcenter.io/v1alpha1
kind: BoBManifest
spec:
  name: web
  version: 1.2.3
  description: A web page
  author: Acme
  licenses: Apache-2.0
  images: [ghcr.io/acme/web]
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "templates/bob.yaml": "kind: {{ .x }}\n",
}
ENVIRON = {"SOURCE_DATE_EPOCH": "1767323045"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ORIGIN: dict[str, Any] = {"source": "https://github.com/acme/web", "revision": f"main@sha1:{COMMIT}"}
IMAGE = "org.opencontainers.image."
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.fixture(autouse=True)
def version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config names the tool's version; here one that no release changes."""
    monkeypatch.setattr(artifact, "__version__", "0.0.0-test")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def make(path: Path, **changes: Any) -> Prepared:
    return prepare(Request(path, **(ORIGIN | changes)), ENVIRON)


def unpacked(child: Child) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(child.layer.data))) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar}  # type: ignore[union-attr]


def bob(child: Child) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(child.config.data)["config"]["bob"]
    return found


def said_of(prepared: Prepared) -> dict[str, str]:
    found: dict[str, str] = json.loads(prepared.artifact.index.data)["annotations"]
    return found


# --- The layer's three parts


def test_the_three_parts(root: Path) -> None:
    (child,) = make(write(root, BUNDLE)).artifact.children
    files = unpacked(child)
    assert sorted(files) == [
        "bob.test.yaml",
        "bob.values",
        "bob.yaml",
        "chart/Chart.yaml",
        "chart/templates/NOTES.txt",
        "chart/templates/_helpers.tpl",
        "chart/templates/bob.yaml",
        "chart/templates/deployment.yaml",
        "chart/templates/tests/bob.test.yaml",
        "chart/values.schema.json",
        "chart/values.yaml",
        "deployment.yaml",
        "rendered/bob.yaml",
        "rendered/deployment.yaml",
    ]
    assert {name: files[name] for name in BUNDLE} == BUNDLE
    assert 'name: "web"' in files["rendered/bob.yaml"]
    assert "helm.sh/hook" in files["chart/templates/tests/bob.test.yaml"]


def test_sources_keep_their_names_and_bytes(root: Path) -> None:
    text = BUNDLE["bob.yaml"].replace("\n", "\r\n") + "# ⋯⋯"
    write(root, {"bob_generated.values": "name=web"})
    (root / "bob_generated.yaml").write_bytes(text.encode())
    files = unpacked(make(root).artifact.children[0])
    assert files["bob_generated.yaml"] == text
    assert files["bob_generated.values"] == "name=web"
    assert "bob.yaml" not in files


def test_values_of_the_caller_are_rendered_but_the_sources_stay(root: Path) -> None:
    write(root, BUNDLE)
    files = unpacked(make(root, overrides=Overrides(assignments=("name=shop",))).artifact.children[0])
    assert files["bob.values"] == BUNDLE["bob.values"]
    assert 'name: "shop"' in files["rendered/bob.yaml"]
    assert '"shop"' in files["chart/values.yaml"]


def test_listed_files_are_packed_and_others_are_not(root: Path) -> None:
    listed = MANIFEST + "  files: [docs/why.md]\n"
    write(root, {**BUNDLE, "manifest.yaml": listed, "docs/why.md": "why", "notes.md": "no"})
    files = unpacked(make(root).artifact.children[0])
    assert files["docs/why.md"] == "why"
    assert "notes.md" not in files


@pytest.mark.parametrize("name", ["chart/values.yaml", "rendered/extra.yaml"])
def test_sources_cannot_lie_where_the_artifact_has_its_own_files(root: Path, name: str) -> None:
    write(root, {**BUNDLE, "manifest.yaml": f"{MANIFEST}  files: [{name}]\n", name: "x: 1\n"})
    with pytest.raises(InputError, match=f"{name}: cannot be packed"):
        make(root)


# --- What is no bundle


def test_a_chart_is_packed_as_it_is(root: Path) -> None:
    made = make(write(root, {**CHART, "README.md": "hello"}), platforms=(AMD64, ARM64))
    for child in made.artifact.children:
        assert unpacked(child) == {**CHART, "README.md": "hello"}
        assert "profiles" not in bob(child)
    assert len({child.content_digest for child in made.artifact.children}) == 1
    assert any("a chart, packed as it is" in text for text in made.notices)


def test_a_directory_that_is_no_bundle_is_refused(root: Path) -> None:
    write(root, {"kustomization.yaml": "resources: []\n"})
    with pytest.raises(InputError, match="no bundle") as caught:
        make(root)
    assert "push artifact" in str(caught.value.hint)


def test_a_directory_that_is_no_bundle_is_pushed_as_it_is(root: Path) -> None:
    files = {"kustomization.yaml": "resources: []\n", "base/x.yaml": "{}\n"}
    made = make(write(root, files), any_directory=True)
    (child,) = made.artifact.children
    assert (unpacked(child), child.platform) == (files, AMD64)
    assert "profiles" not in bob(child)
    assert any("packed as it is" in text for text in made.notices)


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        ({"a": ""}, {"platforms": (AMD64, ARM64)}, "for one platform"),
        ({"a": ""}, {"overrides": Overrides(assignments=("a=b",))}, "do not apply"),
        (CHART, {"overrides": Overrides(assignments=("a=b",))}, "do not apply"),
        ({}, {}, "empty"),
    ],
)
def test_what_makes_no_sense_without_a_bundle(
    root: Path, files: dict[str, str], changes: dict[str, Any], message: str
) -> None:
    root.mkdir()
    with pytest.raises(InputError, match=message):
        make(write(root, files), any_directory=True, **changes)


def test_one_platform_named_twice_is_one(root: Path) -> None:
    made = make(write(root, {"a": ""}), any_directory=True, platforms=(ARM64, ARM64))
    assert [child.platform for child in made.artifact.children] == [ARM64]


# --- Platforms


def with_architectures(*names: str) -> str:
    return BUNDLE["bob.yaml"].replace("  - amd64\n", "".join(f"  - {name}\n" for name in names))


PROFILE_ARM = {**BUNDLE, "bob.yaml": with_architectures("arm64")}
OVERLAY = {**PROFILE_ARM, "platforms/linux-s390x/bob.values": "name=big\n"}
LISTED = {**OVERLAY, "manifest.yaml": MANIFEST + "  platforms: [linux/riscv64]\n"}


@pytest.mark.parametrize(
    ("files", "asked", "expected"),
    [
        (LISTED, (ARM64, AMD64), ["linux/amd64", "linux/arm64"]),
        (LISTED, (), ["linux/riscv64"]),
        (OVERLAY, (), ["linux/s390x"]),
        (PROFILE_ARM, (), ["linux/arm64"]),
        ({"bob.yaml": with_architectures(), "bob.values": "name=web"}, (), ["linux/amd64"]),
    ],
    ids=["asked", "manifest", "overlays", "profiles", "default"],
)
def test_platforms(
    root: Path, files: dict[str, str], asked: tuple[Platform, ...], expected: list[str]
) -> None:
    files = {name: text.replace("  architectures:\n  capa", "  capa") for name, text in files.items()}
    made = make(write(root, files), platforms=asked)
    assert [str(child.platform) for child in made.artifact.children] == expected
    is_said = any("no linux/amd64" in text for text in made.notices)
    assert is_said == ("linux/amd64" not in expected)


def test_overlays_give_children_that_differ(root: Path) -> None:
    write(
        root,
        {
            **BUNDLE,
            "platforms/linux-amd64/bob.values": "name=small\n",
            "platforms/linux-arm64/deployment.yaml": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: arm\n",
        },
    )
    amd64, arm64 = make(root).artifact.children
    assert 'name: "small"' in unpacked(amd64)["rendered/bob.yaml"]
    assert "kind: Service" in unpacked(amd64)["rendered/deployment.yaml"]
    assert 'name: "web"' in unpacked(arm64)["rendered/bob.yaml"]
    assert "kind: Secret" in unpacked(arm64)["rendered/deployment.yaml"]
    assert amd64.content_digest != arm64.content_digest
    # The author's files are all in each.
    for child in (amd64, arm64):
        assert unpacked(child)["platforms/linux-amd64/bob.values"] == "name=small\n"


# --- What is said


def test_the_manifest_is_told(root: Path) -> None:
    made = make(write(root, {**BUNDLE, "manifest.yaml": MANIFEST}))
    assert said_of(made) == {
        IMAGE + "authors": "Acme",
        IMAGE + "created": "2026-01-02T03:04:05Z",
        IMAGE + "description": "A web page",
        IMAGE + "licenses": "Apache-2.0",
        IMAGE + "revision": f"main@sha1:{COMMIT}",
        IMAGE + "source": "https://github.com/acme/web",
        IMAGE + "title": "web",
        IMAGE + "version": "1.2.3",
    }
    (child,) = made.artifact.children
    told = bob(child)
    assert (told["name"], told["version"], told["images"]) == ("web", "1.2.3", ["ghcr.io/acme/web"])
    assert told["profiles"] == [{"kind": "ContainerProfile", "name": "web", "containers": []}]


def test_annotations_of_the_caller(root: Path) -> None:
    given = {"com.example.a": "b=c", IMAGE + "url": "https://example.com", IMAGE + "title": "Other"}
    made = make(write(root, {**BUNDLE, "manifest.yaml": MANIFEST}), annotations=given)
    assert given.items() <= said_of(made).items()


@pytest.mark.parametrize("name", ["created", "source", "revision"])
def test_the_origin_is_no_annotation_of_the_caller(root: Path, name: str) -> None:
    """The config, and what is reported, would say otherwise."""
    with pytest.raises(InputError, match=name):
        make(write(root, BUNDLE), annotations={IMAGE + name: "mine"})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://github.com/acme/web", "https://github.com/acme/web"),
        ("https://github.com/acme/web.git", "https://github.com/acme/web.git"),
        ("https://me:secret@example.com/acme/web", "https://example.com/acme/web"),
        ("git@github.com:acme/web.git", "git@github.com:acme/web.git"),
    ],
)
def test_an_explicit_source_is_kept_but_for_credentials(root: Path, source: str, expected: str) -> None:
    assert said_of(make(write(root, BUNDLE), source=source))[IMAGE + "source"] == expected


# --- Git


def git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-02T12:04:05+09:00")
    write(root, BUNDLE)
    git(root, "init", "--quiet")
    git(root, "remote", "add", "origin", "git@github.com:acme/web.git")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "One")
    return root


def from_git(root: Path, **changes: Any) -> Prepared:
    return prepare(Request(root, **changes), {})


def test_origin_is_what_git_says(repository: Path) -> None:
    made = from_git(repository)
    told = said_of(made)
    assert told[IMAGE + "source"] == "https://github.com/acme/web"
    assert told[IMAGE + "revision"] == f"main@sha1:{git(repository, 'rev-parse', 'HEAD')}"
    assert told[IMAGE + "created"] == "2026-01-02T03:04:05Z"
    assert json.loads(made.artifact.children[0].config.data)["created"] == "2026-01-02T03:04:05Z"


def test_explicit_flags_that_say_the_same_give_the_same_digest(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    explicit = from_git(repository, source="git@github.com:acme/web.git", revision=f"main@sha1:{commit}")
    assert explicit.artifact == from_git(repository).artifact


def test_an_empty_branch_is_filled_in(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    commit = git(repository, "rev-parse", "HEAD")
    made = from_git(repository, revision=f"@sha1:{commit}")
    assert said_of(made)[IMAGE + "revision"] == f"main@sha1:{commit}"
    assert any("names no branch" in text for text in made.notices)


def test_content_digest_is_the_same_for_each_commit(repository: Path) -> None:
    first = from_git(repository).artifact
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "Two")
    second = from_git(repository).artifact
    assert first.digest != second.digest
    assert first.children[0].content_digest == second.children[0].content_digest


@pytest.mark.parametrize("change", ["bob.values", "new.yaml"])
def test_a_dirty_tree_is_said_or_refused(repository: Path, change: str) -> None:
    assert not from_git(repository, require_clean=True).origin.dirty
    write(repository, {change: "name=other\n"})
    made = from_git(repository)
    assert said_of(made)[IMAGE + "revision"].endswith("-dirty")
    assert any("changes" in text for text in made.notices)
    with pytest.raises(BobError, match="changes that are not committed") as caught:
        from_git(repository, require_clean=True)
    assert caught.value.exit_code == 1


# --- The same bytes


def test_golden(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One digest on any machine. It changes with the version and the chart's text, which are pinned here.

    If it changes otherwise, so do all digests of all users: that needs a line in CHANGELOG.md.
    """
    monkeypatch.setattr("bob_ci.prepare.chart_files", lambda *_: {"Chart.yaml": b"name: web\n"})
    write(root, {**BUNDLE, "manifest.yaml": MANIFEST})
    made = make(root, platforms=(AMD64, ARM64)).artifact
    assert {child.content_digest for child in made.children} == {GOLDEN_CONTENT}
    assert made.digest == GOLDEN_INDEX


GOLDEN_CONTENT = "sha256:ece867180b8ee93076f358baaf48ae0374c965ee07214501d2437bb9c3d9cbcc"
GOLDEN_INDEX = "sha256:6109fc977cb357bfce1848818fc7a2f0d50ec531a2172bebed5adbf633298f77"


def test_golden_of_a_chart(root: Path) -> None:
    """The same, where nothing is rendered."""
    assert make(write(root, CHART)).artifact.digest == GOLDEN_CHART


GOLDEN_CHART = "sha256:618184dda62e645eb88b99db84f92f495cddf3b8fc59a88a1e75fff4d88a3a73"


def test_place_times_and_modes_are_no_matter(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one", BUNDLE), write(tmp_path / "far/off/other", BUNDLE)
    for number, name in enumerate(BUNDLE):
        os.utime(other / name, (number, number))
        (other / name).chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(other)
    assert make(one).artifact == make(other).artifact == make(link).artifact


SCRIPT = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from bob_ci.prepare import Request, prepare
made = prepare(Request(Path(sys.argv[1])), os.environ).artifact
for child in made.children:
    for blob in (child.layer, child.config, child.manifest):
        print(blob.descriptor.digest)
print(made.digest)
"""
SURROUNDINGS: list[tuple[str, dict[str, str]]] = [
    ("022", {}),
    ("077", {"PYTHONHASHSEED": "0", "TZ": "Asia/Tokyo", "LC_ALL": "C"}),
    ("000", {"PYTHONHASHSEED": "1", "TZ": "America/St_Johns", "LANG": "de_DE.UTF-8", "PYTHONUTF8": "0"}),
    ("027", {"PYTHONHASHSEED": "2", "TZ": "UTC-14", "LC_ALL": "tr_TR.UTF-8", "PYTHONOPTIMIZE": "2"}),
]


def test_surroundings_are_no_matter(repository: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, repository, umask],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
        for umask, variables in SURROUNDINGS
    ]
    outputs = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    assert len(outputs[0].split()) == 4
    assert len(set(outputs)) == 1


def test_golden_digest_of_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bob_ci.artifact.__version__", "0.0.0")
    bundle = tmp_path / "anywhere"
    shutil.copytree(Path(__file__).parents[2] / "examples" / "webapp", bundle)
    request = Request(bundle, source="https://github.com/acme/webapp", revision=f"main@sha1:{'1' * 40}")
    assert prepare(request, {"SOURCE_DATE_EPOCH": "1760724611"}).artifact.digest == GOLDEN


# All bytes of a real bundle, chart included. A change here is a new digest for every commit of every user:
# say why in CHANGELOG.md.
GOLDEN = "sha256:5ccc88f814f9451d75903ed0e6c93e8f8b55af0713c287634560c91927442691"
