"""Platforms: what people type, what folders are called, what `--platform` takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.errors import BobError, InputError
from bob_ci.oci.descriptor import MANIFEST, Descriptor, select_platform
from bob_ci.oci.platform import ARCHITECTURES, SYSTEMS, Platform

PLATFORMS = st.builds(
    Platform,
    st.sampled_from(sorted(SYSTEMS)),
    st.sampled_from(sorted(ARCHITECTURES)),
    st.sampled_from(["", "v2", "v3", "v6", "v7", "v9", "v8.1"]),
)


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/X86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm64/v8.1", "linux/arm64/v8.1"),
        ("linux/arm", "linux/arm"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("macos/arm64", "darwin/arm64"),
        ("linux/s390x", "linux/s390x"),
        ("linux/ppc64le", "linux/ppc64le"),
        ("linux/riscv64", "linux/riscv64"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_spellings(text: str, usual: str) -> None:
    assert str(Platform.parse(text)) == usual
    if "x86-64" not in text.lower():
        assert str(Platform.parse_folder(text.replace("/", "-"))) == usual


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "amd64",
        "linux/",
        "/amd64",
        "linux/amd46",
        "amd64/linux",
        "linux/amd64/",
        "linux/amd64/v2/x",
        "linux amd64",
        " linux/amd64",
        "linux/amd64 ",
        "linux/amd64\n",
        "linux/arm/../x",
        "linux/arm/v7 ",
        "linux/arm/v7-",
        "linux//v7",
        "unknown/unknown",
        "linux/arm/\u0667",
        "linux/amd64,linux/arm64",
    ],
)
def test_junk_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Platform.parse(text)
    assert "linux/arm64" in str(caught.value.hint)
    assert repr(text) in str(caught.value)


@given(st.text())
def test_any_text_is_a_platform_or_refused(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except InputError:
        return
    assert Platform.parse(str(platform)) == platform


@given(PLATFORMS)
def test_round_trips(platform: Platform) -> None:
    assert Platform.from_json(platform.to_json()) == platform
    usual = platform.normalized()
    assert Platform.parse(str(usual)) == usual
    assert Platform.parse_folder(usual.folder) == usual
    assert usual.normalized() == usual


def test_order_is_os_architecture_variant() -> None:
    texts = ["linux/amd64", "linux/arm", "linux/arm/v6", "linux/arm/v7", "linux/arm64", "windows/amd64"]
    assert [str(one) for one in sorted(map(Platform.parse, reversed(texts)))] == texts


@pytest.mark.parametrize(
    ("mine", "wanted", "satisfied"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("windows/amd64", "linux/amd64", False),
        ("linux/arm/v7", "linux/arm", True),
        ("linux/arm/v7", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm", "linux/arm/v7", False),
        ("linux/amd64/v3", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v3", False),
    ],
)
def test_satisfies_as_oras_matches(mine: str, wanted: str, *, satisfied: bool) -> None:
    assert Platform.parse(mine).satisfies(Platform.parse(wanted)) is satisfied


def test_a_foreign_spelling_in_a_descriptor_is_kept_and_matches() -> None:
    foreign = Platform.from_json({"os": "linux", "architecture": "arm64", "variant": "v8"})
    assert foreign == Platform("linux", "arm64", "v8")
    assert foreign.satisfies(Platform.parse("linux/arm64/v8"))
    assert foreign.satisfies(Platform.parse("linux/arm64"))


def test_the_first_match_is_selected() -> None:
    attestation = Descriptor.of(MANIFEST, b"0", platform=Platform("unknown", "unknown"))
    nameless = Descriptor.of(MANIFEST, b"1")
    v6, v7 = (Descriptor.of(MANIFEST, v.encode(), platform=Platform("linux", "arm", v)) for v in ("v6", "v7"))
    children = [attestation, nameless, v6, v7]
    assert select_platform(children, Platform.parse("linux/arm")) == v6
    assert select_platform(children, Platform.parse("linux/arm/v7")) == v7
    assert select_platform(children, Platform.parse("linux/arm64")) is None


@pytest.mark.parametrize("value", [None, [], "linux/amd64", {"os": 1}, {"os": "linux", "architecture": None}])
def test_a_platform_that_is_none(value: object) -> None:
    with pytest.raises(BobError, match="platform"):
        Platform.from_json(value)


def test_an_empty_platform_is_none() -> None:
    assert Platform.from_json({"os": "", "architecture": ""}) is None
