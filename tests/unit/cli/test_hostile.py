"""Artifacts that would do harm, through the whole command: a clear message, exit 1, nothing written."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bob_ci.artifact import CONFIG_TYPE, LAYER_TYPE
from bob_ci.oci.archive import gzip, tar
from bob_ci.oci.descriptor import INDEX, MANIFEST, TITLE, canonical_json, digest_of

Bobctl = Callable[..., subprocess.CompletedProcess[str]]
TAG = "oci-layout:layout:evil"
OTHER = digest_of(b"other")
AMD64 = {"architecture": "amd64", "os": "linux"}


@dataclass(frozen=True)
class Forged:
    """The parts of an artifact, of which any may be wrong."""

    layer: bytes = gzip(tar({"bob.yaml": b"a: 1\n"}))
    layer_type: str = LAYER_TYPE
    layer_says: Mapping[str, Any] | None = None
    config: bytes | None = None
    config_says: Mapping[str, Any] | None = None
    child_says: Mapping[str, Any] | None = None
    manifest_says: Mapping[str, Any] | None = None
    index_says: Mapping[str, Any] | None = None
    lost: str = ""
    swapped: str = ""

    def write(self, layout: Path) -> None:
        """Write the layout by hand: our own store would refuse most of this."""
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)

        def put(name: str, media_type: str, data: bytes, says: Mapping[str, Any] | None) -> dict[str, Any]:
            digest = digest_of(data)
            if name != self.lost:
                stored = b"?" * len(data) if name == self.swapped else data
                (blobs / digest.removeprefix("sha256:")).write_bytes(stored)
            return {"mediaType": media_type, "digest": digest, "size": len(data), **(says or {})}

        layer = put("layer", self.layer_type, self.layer, self.layer_says)
        diff_ids = {"rootfs": {"type": "layers", "diff_ids": [digest_of(self.layer)]}}
        config = self.config if self.config is not None else canonical_json(diff_ids)
        described = put("config", CONFIG_TYPE, config, self.config_says)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [layer]}
        manifest |= {"artifactType": CONFIG_TYPE, **(self.manifest_says or {})}
        child = put(
            "manifest", MANIFEST, canonical_json(manifest), {"platform": AMD64, **(self.child_says or {})}
        )
        index = {"schemaVersion": 2, "mediaType": INDEX, "artifactType": CONFIG_TYPE, "manifests": [child]}
        top = put("index", INDEX, canonical_json(index | dict(self.index_says or {})), None)
        top["annotations"] = {"org.opencontainers.image.ref.name": "evil"}
        (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (layout / "index.json").write_bytes(canonical_json({"schemaVersion": 2, "manifests": [top]}))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, link, size
        archive.addfile(entry, io.BytesIO(bytes(size)))
    return gzip(out.getvalue())


def bob(**members: object) -> bytes:
    return canonical_json({"config": {"bob": members}})


HOSTILE: dict[str, tuple[Forged, str]] = {
    "no index": (Forged(lost="index"), "not there"),
    "no manifest": (Forged(lost="manifest"), "not there"),
    "no config": (Forged(lost="config"), "not there"),
    "no layer": (Forged(lost="layer"), "not there"),
    "another index": (Forged(swapped="index"), "content differs"),
    "another manifest": (Forged(swapped="manifest"), "content differs"),
    "another config": (Forged(swapped="config"), "content differs"),
    "another layer": (Forged(swapped="layer"), "content differs"),
    "a layer of another size": (Forged(layer_says={"size": 5}), "size differs"),
    "a layer of a huge size": (Forged(layer_says={"size": 2**62}), "more than"),
    "a layer of a size below zero": (Forged(layer_says={"size": -1}), "no size"),
    "a digest that is a path": (Forged(layer_says={"digest": "sha256:../../../etc/passwd"}), "no sha256"),
    "a digest of another kind": (Forged(layer_says={"digest": "md5:" + "0" * 32}), "no sha256"),
    "a child that is a path": (Forged(child_says={"digest": "../../x"}), "no sha256"),
    "a child of another type": (Forged(child_says={"mediaType": INDEX}), "media type differs"),
    "an index that is a manifest": (
        Forged(index_says={"config": {}, "layers": []}),
        "both manifest and index",
    ),
    "a schema of long ago": (Forged(manifest_says={"schemaVersion": 1}), "schemaVersion"),
    "layers that are none": (Forged(manifest_says={"layers": "x"}), "no list"),
    "no layers at all": (Forged(manifest_says={"layers": []}), "holds no files"),
    "a config that is no JSON": (Forged(config=b"{"), "not JSON"),
    "a config that is a list": (Forged(config=b"[]"), "not a JSON object"),
    "a config with a key twice": (Forged(config=b'{"a":1,"a":2}'), "twice"),
    "a config of great depth": (Forged(config=b'{"a":' + b"[" * 100_000), "not JSON"),
    "a platform that is a number": (Forged(config=b'{"os":5}', child_says={"platform": {}}), "no text"),
    "wrong diff_ids": (Forged(config=canonical_json({"rootfs": {"diff_ids": [OTHER]}})), "its digest is not"),
    "wrong contents": (Forged(config=bob(contentDigest=OTHER)), "its contents are not"),
    "no archive": (Forged(layer=b"hello", config=b"{}"), "not gzip"),
    "half an archive": (Forged(layer=Forged().layer[:-20], config=b"{}"), "cut off"),
    "up": (Forged(layer=member("../x")), "plain path"),
    "up inside": (Forged(layer=member("a/../../x")), "plain path"),
    "absolute": (Forged(layer=member("/tmp/x")), "plain path"),
    "a control character": (Forged(layer=member("a\x1b[2Jb")), "in a name"),
    "a symbolic link": (Forged(layer=member("a", tarfile.SYMTYPE, "/etc")), "symbolic link"),
    "a hard link": (Forged(layer=member("a", tarfile.LNKTYPE, "bob.yaml")), "hard link"),
    "a device": (Forged(layer=member("a", tarfile.CHRTYPE)), "character device"),
    "a fifo": (Forged(layer=member("a", tarfile.FIFOTYPE)), "fifo"),
    "a bomb": (Forged(layer=member("a", size=80 * 1024 * 1024)), "once decompressed"),
    "a bomb of members": (Forged(layer=gzip(tar({str(n): b"" for n in range(10_001)}))), "more than 10000"),
    "a title that leads up": (
        Forged(layer_type="text/plain", layer_says={"annotations": {TITLE: "../x"}}),
        "plain path",
    ),
    "no title": (Forged(layer_type="text/plain"), "without a title"),
}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    for name, (forged, _) in HOSTILE.items():
        forged.write(root / name / "layout")
    return root


@pytest.mark.parametrize("case", HOSTILE)
def test_pull(layouts: Path, bobctl: Bobctl, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(layouts / case)
    before = sorted(Path().rglob("*"))
    done = bobctl("pull", "artifact", TAG, "--output", "out")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert HOSTILE[case][1] in done.stderr
    assert done.stderr.startswith("error: ")
    assert all(line.isprintable() for line in done.stderr.split("\n"))
    assert sorted(Path().rglob("*")) == before
    assert not Path("/tmp/x").exists()


@pytest.mark.parametrize("case", HOSTILE)
def test_describe_and_list(layouts: Path, bobctl: Bobctl, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """What is not told is refused; one bad tag does not stop the list."""
    monkeypatch.chdir(layouts / case)
    assert bobctl("describe", "artifact", TAG).returncode in {0, 1}
    done = bobctl("list", "artifact", "oci-layout:layout", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["tag"] for row in json.loads(done.stdout)["artifacts"]] == ["evil"]


def test_what_is_not_forged_is_pulled(here: Path, bobctl: Bobctl) -> None:
    Forged().write(here / "layout")
    done = bobctl("pull", "artifact", TAG, "--output", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (here / "out").iterdir()] == ["bob.yaml"]


@pytest.mark.parametrize("place", ["out/bob.yaml", "out"])
def test_links_that_wait_at_the_destination(here: Path, bobctl: Bobctl, place: str) -> None:
    """The directory itself may be one, which the user made; what lies in it may not."""
    Forged().write(here / "layout")
    (here / "elsewhere").mkdir()
    if place == "out":
        (here / "out").symlink_to("elsewhere")
    else:
        (here / "out").mkdir()
        (here / "elsewhere/file").write_text("mine")
        (here / place).symlink_to("../elsewhere/file")
    done = bobctl("pull", "artifact", TAG, "--output", "out", "--overwrite")
    assert done.returncode == (0 if place == "out" else 1)
    if place != "out":
        assert (here / "elsewhere/file").read_text() == "mine"


@pytest.mark.parametrize("text", ["\x1b]0;x\x07", "one\ntwo", "\x9b2J", "\u202eevil", "one\rtwo", "\u2028"])
def test_text_of_others_moves_no_cursor(here: Path, bobctl: Bobctl, text: str) -> None:
    """Annotations, names and types of an artifact, as a terminal sees them."""
    says = {"annotations": {"org.opencontainers.image.source": text, text: "x"}}
    config = bob(name=text, version=text, images=[text])
    Forged(config=config, index_says=says, child_says={"platform": {"os": text, "architecture": text}}).write(
        here / "layout"
    )
    odd = {char for char in text if not char.isprintable()}
    for line in (
        f"describe artifact {TAG}",
        f"describe artifact {TAG} --format mermaid",
        "list artifact oci-layout:layout",
    ):
        done = bobctl(*line.split())
        assert done.returncode == 0, done.stderr
        assert not odd & (set(done.stdout) - {"\n"})
        assert "one\ntwo" not in done.stdout
        assert "\\" in done.stdout
    found = json.loads(bobctl("describe", "artifact", TAG, "--format", "json").stdout)
    assert found["name"] == text


def test_a_layout_that_is_a_fifo_is_not_waited_for(here: Path, bobctl: Bobctl) -> None:
    Forged().write(here / "layout")
    (here / "layout/index.json").unlink()
    os.mkfifo(here / "layout/index.json")
    done = bobctl("pull", "artifact", TAG, "--output", "out")
    assert done.returncode == 1
    assert "not a regular file" in done.stderr
