"""The tags of a repository: which are shown, in which order, and that one broken tag hides no other."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from bob_ci.artifact import About, Content, build
from bob_ci.errors import InputError
from bob_ci.listing import rows, stable_last, tags_of
from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.platform import Platform
from bob_ci.publish import push

ABOUT = About("web", "2026-01-02T03:04:05Z", source="https://example.com/web", revision="main@sha1:0123")


class Tags(LayoutStore):
    """A store that has tags and nothing else."""

    def __init__(self, *tags: str) -> None:
        super().__init__("nowhere")
        self._tags = tags

    def tags(self) -> list[str]:
        return sorted(self._tags)


# Highest first (semver.org, 11); then what is no version.
ORDERED = [
    "v10.0.0",
    "2.0.0",
    "2.0.0-rc.10",
    "2.0.0-rc.2",
    "2.0.0-rc.1.1",
    "2.0.0-rc.1",
    "2.0.0-beta",
    "2.0.0-alpha.beta",
    "2.0.0-alpha.1",
    "2.0.0-11",
    "2.0.0-9",
    "v1.10.0",
    "1.9.0_build.5",
    "1.2.3",
    "0.0.1",
    "0123456-dirty",
    "1.2",
    "latest",
    "stable",
]


def test_the_order_of_versions() -> None:
    assert tags_of(Tags(*ORDERED)) == ORDERED


@pytest.mark.parametrize("pair", list(itertools.combinations(["v1.0.0", "1.0.0", "1.0.0_a"], 2)))
def test_equal_versions_have_an_order_too(pair: tuple[str, str]) -> None:
    assert tags_of(Tags(*pair)) == tags_of(Tags(*reversed(pair)))


@pytest.mark.parametrize("tag", ["9" * 100 + ".0.0", "1.0.0-" + "9" * 100, "1.0.0-" + "a." * 50, "1.0.0-.."])
def test_odd_versions(tag: str) -> None:
    assert set(tags_of(Tags(tag, "1.0.0"))) == {tag, "1.0.0"}


@pytest.mark.parametrize(
    ("tag", "is_hidden"),
    [
        ("sha256-" + "0" * 64, True),
        ("sha256-" + "0" * 64 + ".sig", True),
        ("sha256-" + "0" * 64 + ".att", True),
        ("sha512-" + "0" * 128, True),
        ("sha256-0123", False),
        ("sha256", False),
    ],
)
def test_tags_of_digests_are_hidden(tag: str, is_hidden: bool) -> None:  # noqa: FBT001
    assert tags_of(Tags(tag)) == ([] if is_hidden else [tag])


@pytest.mark.parametrize(
    ("pattern", "limit", "expected"),
    [
        (None, 2, ["2.0.0", "1.1.0"]),
        ("^1", None, ["1.1.0", "1.0.0"]),
        ("^1", 1, ["1.1.0"]),
        ("t", None, ["latest"]),
        ("nothing", None, []),
    ],
)
def test_filters(pattern: str | None, limit: int | None, expected: list[str]) -> None:
    store = Tags("1.0.0", "2.0.0", "1.1.0", "latest")
    assert tags_of(store, pattern=pattern, limit=limit) == expected


@pytest.mark.parametrize("pattern", ["(", "*", "(?P<x", "[z-a]"])
def test_a_pattern_that_is_none(pattern: str) -> None:
    with pytest.raises(InputError, match="--filter-regex"):
        tags_of(Tags("1"), pattern=pattern)


def test_rows(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    platforms = [Platform("linux", "arm64"), Platform("linux", "amd64")]
    for name, platform in (("good", platforms), ("broken", platforms[:1])):
        made = build([Content(each, {"a": b""}) for each in platform], ABOUT)
        push(made, store)
        store.tag(made.index.descriptor, name)
    broken = store.resolve("broken").digest
    (tmp_path / "blobs/sha256" / broken.removeprefix("sha256:")).write_bytes(b"{}")
    bad, good = rows(store, ["broken", "good"])
    assert bad.image is None
    assert bad.problem is not None
    assert broken in bad.problem
    assert good.image is not None
    assert good.image.platforms == ("linux/amd64", "linux/arm64")
    assert (good.image.source, good.image.revision, good.image.created) == (
        ABOUT.source,
        ABOUT.revision,
        ABOUT.created,
    )


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ((), ()),
        (("stable", "1.0", "stable", "1"), ("1.0", "1", "stable")),
        (("b", "a", "b"), ("b", "a")),
    ],
)
def test_stable_last(tags: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert stable_last(tags) == expected
