"""What bobctl publishes is read and copied by oras and crane; what oras pushes is read by bobctl."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

PROGRAM = (sys.executable, "-c", "from bob_ci.cli import main; main()")
ORIGIN = ("--source", "https://github.com/acme/web", "--revision", "main@sha1:0123456")
PLATFORMS = ("linux/amd64", "linux/arm64")
CONFIG_TYPE = "application/vnd.k8sstormcenter.bob.config.v1+json"
Run = Callable[..., str]
Pull = Callable[[str, str], dict[str, bytes]]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def bobctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")
    return lambda *words: run(*PROGRAM, *words, cwd=tmp_path)


@pytest.fixture
def oras(peers: Mapping[str, Path], tmp_path: Path) -> Run:
    return lambda *words: run(peers["oras"], *words, cwd=tmp_path)


@pytest.fixture
def bundle(shared_data: Path, tmp_path: Path) -> Path:
    """The real bundle, with an overlay that makes its two platforms differ."""
    shutil.copytree(shared_data / "webapp", tmp_path / "webapp")
    overlay = tmp_path / "webapp/platforms/linux-arm64"
    overlay.mkdir(parents=True)
    (overlay / "bob.values").write_text("templatehash=7f5f5f5f5f\n")
    return tmp_path / "webapp"


@pytest.fixture
def published(bobctl: Run, bundle: Path) -> Any:
    """The bundle for two platforms as `layout:1.0.0`; gives the report."""
    flags = (*ORIGIN, "--platform", PLATFORMS[0], "--platform", PLATFORMS[1], "--format", "json")
    return json.loads(bobctl("publish", bundle, "oci-layout:layout:1.0.0", "--tag", "stable", *flags))


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def untar(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


@pytest.fixture
def pulled(bobctl: Run, tmp_path: Path) -> Pull:
    """Pull 1.0.0 from a layout, for a platform; give the files."""

    def pull(layout: str, platform: str) -> dict[str, bytes]:
        name = f"pulled-{len(list(tmp_path.iterdir()))}"
        bobctl("pull", "artifact", f"oci-layout:{layout}:1.0.0", "--platform", platform, "--output", name)
        return tree(tmp_path / name)

    return pull


@pytest.fixture
def crane(peers: Mapping[str, Path], tmp_path: Path) -> Run:
    return lambda *words: run(peers["crane"], "--insecure", *words, cwd=tmp_path)


@pytest.fixture(params=["registry", "registry_old"])
def remote(request: pytest.FixtureRequest) -> str:
    """A reference in either registry, of the test's own."""
    return (
        f"{request.getfixturevalue(request.param)}/acme/{request.node.originalname.replace('_', '-')}:1.0.0"
    )


# --- Ours, read by oras


@pytest.mark.peer("oras")
def test_the_shared_bundle_as_it_is(bobctl: Run, oras: Run, shared_data: Path, tmp_path: Path) -> None:
    bobctl("publish", shared_data / "webapp", "oci-layout:one:1.0.0", *ORIGIN)
    oras("pull", "--oci-layout", "--platform", "linux/amd64", "-o", "out", "one:1.0.0")
    files = untar((tmp_path / "out/bob.tar.gz").read_bytes())
    for name in ("bob.yaml", "bob.values", "deployment.yaml"):
        assert files[name] == (shared_data / "webapp" / name).read_bytes()
    assert "recorded.yaml" not in files


@pytest.mark.peer("oras")
def test_oras_reads_manifests(oras: Run, published: Any, tmp_path: Path) -> None:
    index = oras("manifest", "fetch", "--oci-layout", "layout:1.0.0")
    assert "sha256:" + hashlib.sha256(index.encode()).hexdigest() == published["digest"]
    assert oras("resolve", "--oci-layout", "layout:stable").strip() == published["digest"]
    for part in published["platforms"]:
        at = ("--oci-layout", "--platform", part["platform"], "layout:1.0.0")
        assert oras("resolve", *at).strip() == part["digest"]
        config = json.loads(oras("manifest", "fetch-config", *at))
        assert config["rootfs"]["diff_ids"] == [part["layerDigest"]]
        assert config["config"]["bob"]["contentDigest"] == part["contentDigest"]
    assert oras("repo", "tags", "--oci-layout", tmp_path / "layout").split() == ["1.0.0", "stable"]


@pytest.mark.peer("oras")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_oras_pulls_the_bytes_that_bobctl_pulls(
    pulled: Pull, oras: Run, published: Any, tmp_path: Path, platform: str
) -> None:
    oras("pull", "--oci-layout", "--platform", platform, "-o", "out", "layout:1.0.0")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bob.tar.gz"]
    data = (tmp_path / "out/bob.tar.gz").read_bytes()
    layers = {part["platform"]: part["layerDigest"] for part in published["platforms"]}
    assert "sha256:" + hashlib.sha256(data).hexdigest() == layers[platform]
    files = untar(data)
    assert files == pulled("layout", platform)
    is_arm = b"7f5f5f5f5f" in files["rendered/bob.yaml"]
    assert is_arm == (platform == "linux/arm64")


@pytest.mark.usefixtures("published")
def test_pulled_is_pushed(bobctl: Run, pulled: Pull, bundle: Path, tmp_path: Path) -> None:
    """Byte for byte: the author's files, and what chart and render give for the platform."""
    left_out = {"README.md", "kustomize.yaml", "recorded.yaml"}
    for platform in PLATFORMS:
        files = pulled("layout", platform)
        expected = {name: data for name, data in tree(bundle).items() if name not in left_out}
        bobctl("chart", bundle, "--platform", platform, "--output", "chart")
        bobctl("render", bundle, "--platform", platform, "--output", "rendered")
        for folder in ("chart", "rendered"):
            expected |= {f"{folder}/{name}": data for name, data in tree(tmp_path / folder).items()}
            shutil.rmtree(tmp_path / folder)
        # The chart's name comes from the source, which these two commands are not told.
        assert files.keys() == expected.keys()
        named = {"chart/Chart.yaml", "chart/templates/NOTES.txt"}
        assert {n: d for n, d in files.items() if n not in named} == {
            n: d for n, d in expected.items() if n not in named
        }


@pytest.mark.peer("oras")
def test_there_and_back(bobctl: Run, oras: Run, pulled: Pull, published: Any, remote: str) -> None:
    oras("cp", "--from-oci-layout", "layout:1.0.0", "--to-plain-http", remote)
    assert oras("resolve", "--plain-http", remote).strip() == published["digest"]
    oras("cp", "--from-plain-http", remote, "--to-oci-layout", "back:1.0.0")
    (row,) = json.loads(bobctl("list", "artifact", "oci-layout:back", "--format", "json"))["artifacts"]
    assert (row["digest"], row["platforms"]) == (published["digest"], list(PLATFORMS))
    assert row["revision"] == "main@sha1:0123456"
    for platform in PLATFORMS:
        assert pulled("layout", platform) == pulled("back", platform)


@pytest.mark.peer("oras")
def test_publishing_into_what_oras_copied_writes_nothing(
    bobctl: Run, oras: Run, bundle: Path, published: Any
) -> None:
    oras("cp", "--from-oci-layout", "layout:1.0.0", "--to-oci-layout", "copy:1.0.0")
    flags = (*ORIGIN, "--platform", PLATFORMS[0], "--platform", PLATFORMS[1], "--format", "json")
    again = json.loads(bobctl("publish", bundle, "oci-layout:copy:1.0.0", *flags))
    assert (again["digest"], again["changed"]) == (published["digest"], False)


@pytest.mark.peer("oras")
def test_a_moved_tag_is_moved_for_oras(bobctl: Run, oras: Run, bundle: Path, published: Any) -> None:
    (bundle / "bob.values").write_text((bundle / "bob.values").read_text() + "# more\n")
    bobctl("publish", bundle, "oci-layout:layout:1.0.0", *ORIGIN)
    assert oras("resolve", "--oci-layout", "layout:1.0.0").strip() != published["digest"]
    assert oras("resolve", "--oci-layout", "layout:stable").strip() == published["digest"]
    bobctl("tag", "artifact", "oci-layout:layout:1.0.0", "--tag", "stable")
    assert oras("resolve", "--oci-layout", "layout:stable") == oras("resolve", "--oci-layout", "layout:1.0.0")


# --- crane


@pytest.mark.peer("crane", "oras")
def test_crane_reads_and_pulls(oras: Run, crane: Run, pulled: Pull, published: Any, remote: str) -> None:
    oras("cp", "--from-oci-layout", "layout:1.0.0", "--to-plain-http", remote)
    assert crane("digest", remote).strip() == published["digest"]
    assert json.loads(crane("manifest", remote))["artifactType"] == CONFIG_TYPE
    for part in published["platforms"]:
        manifest = json.loads(crane("manifest", "--platform", part["platform"], remote))
        assert manifest["layers"][0]["digest"] == part["layerDigest"]
    crane("pull", "--format=oci", "--annotate-ref", remote, "crane")
    for platform in PLATFORMS:
        assert pulled("layout", platform) == pulled("crane", platform)


# --- Registries


@pytest.mark.parametrize(
    "line", ["list artifact {}", "describe artifact {}:1", "publish webapp {}:1 --no-lint"]
)
@pytest.mark.usefixtures("bundle")
def test_a_registry_that_is_not_there(tmp_path: Path, line: str) -> None:
    name = "127.0.0.1:1/acme/web"
    words = line.format(f"oci://{name}").split()
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(rf"^error: .*{name.partition('/')[0]}", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr


# --- Theirs, read by us


@pytest.mark.peer("oras")
def test_what_oras_pushes(bobctl: Run, oras: Run, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/inner.txt").write_text("packed by oras")
    (tmp_path / "plain.txt").write_text("hello")
    (tmp_path / "data.tar.gz").write_bytes(b"\x1f\x8bnot to be opened")
    note = ("--annotation", "org.opencontainers.image.source=https://example.com/x")
    oras(
        "push", "--oci-layout", "theirs:1", "--artifact-type", "application/vnd.example.x", *note,
        "plain.txt:text/plain", "data.tar.gz:application/octet-stream", "dir",
    )  # fmt: skip
    (row,) = json.loads(bobctl("list", "artifact", "oci-layout:theirs", "--format", "json"))["artifacts"]
    assert (row["tag"], row["artifactType"]) == ("1", "application/vnd.example.x")
    assert (row["source"], row["platforms"]) == ("https://example.com/x", [])
    told = json.loads(bobctl("describe", "artifact", "oci-layout:theirs:1", "--format", "json"))
    assert (told["digest"], told["allows"], told["name"]) == (row["digest"], [], None)
    assert "application/vnd.example.x" in bobctl("describe", "artifact", "oci-layout:theirs:1")
    bobctl("pull", "artifact", "oci-layout:theirs:1", "--output", "out")
    oras("pull", "--oci-layout", "theirs:1", "-o", "oras-out")
    assert tree(tmp_path / "out") == tree(tmp_path / "oras-out")
    assert (tmp_path / "out/dir/inner.txt").read_text() == "packed by oras"


@pytest.mark.peer("oras")
def test_an_index_that_oras_makes(bobctl: Run, oras: Run, tmp_path: Path) -> None:
    """Of manifests that say no platform."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        oras("push", "--oci-layout", f"theirs:{name}", f"{name}:text/plain")
    oras("manifest", "index", "create", "--oci-layout", "theirs:both", "a", "b")
    bobctl("pull", "artifact", "oci-layout:theirs:both", "--output", "out")
    assert tree(tmp_path / "out") == {"a": b"a"}
    told = json.loads(bobctl("describe", "artifact", "oci-layout:theirs:both", "--format", "json"))
    assert [part["platform"] for part in told["platforms"]] == ["any", "any"]


@pytest.mark.peer("oras")
def test_what_oras_attaches_is_told(bobctl: Run, oras: Run, published: Any, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("looked at")
    oras("attach", "--oci-layout", "layout:1.0.0", "--artifact-type", "text/x-note", "note.txt:text/plain")
    told = json.loads(bobctl("describe", "artifact", "oci-layout:layout:1.0.0", "--format", "json"))
    assert told["digest"] == published["digest"]
    assert [one["artifactType"] for one in told["referrers"]] == ["text/x-note"]
    text = bobctl("describe", "artifact", "oci-layout:layout:1.0.0")
    assert re.search(r"referred to by\n  sha256:[0-9a-f]{12} text/x-note\n", text)
    mermaid = bobctl("describe", "artifact", "oci-layout:layout:1.0.0", "--format", "mermaid")
    assert 'referrer0["text/x-note"] -.-> bob' in mermaid
