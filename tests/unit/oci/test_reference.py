"""References: FORMAT.md 8, the distribution-spec's grammars, Docker's names without host."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.errors import InputError
from bob_ci.oci.reference import (
    LayoutReference,
    RegistryReference,
    is_loopback,
    parse_reference,
)

D = "sha256:" + "0123456789abcdef" * 4
D512 = "sha512:" + "0123456789abcdef" * 8

COMPONENTS = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
HOSTS = st.sampled_from(
    [
        "ghcr.io",
        "localhost",
        "localhost:5000",
        "127.0.0.1:5000",
        "[::1]:5000",
        "[::1]",
        "docker.io",
        "a.b-c.d:1",
    ]
)
TAGS = st.none() | st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)
DIGESTS = st.none() | st.sampled_from([D, D512])
REGISTRY = st.builds(
    RegistryReference, HOSTS, st.lists(COMPONENTS, min_size=2, max_size=4).map("/".join), TAGS, DIGESTS
)
DIRECTORIES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cc", "Cs"]) | st.sampled_from("/.:@~ "),
    min_size=1,
    max_size=20,
).map(Path)
LAYOUTS = st.builds(
    LayoutReference,
    DIRECTORIES.filter(lambda path: not str(path).startswith("//"))
    | st.sampled_from([Path(f"x@{D}"), Path(f"x@{D}:v"), Path("a@b:c"), Path("/"), Path(), Path("sha256:x")]),
    TAGS,
    DIGESTS,
)


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("alpine", "docker.io", "library/alpine", None, None),
        ("alpine:3.20", "docker.io", "library/alpine", "3.20", None),
        ("docker.io/alpine", "docker.io", "library/alpine", None, None),
        ("index.docker.io/alpine", "docker.io", "library/alpine", None, None),
        ("docker.io/library/alpine", "docker.io", "library/alpine", None, None),
        ("acme/bob", "docker.io", "acme/bob", None, None),
        ("acme/team/bob:1", "docker.io", "acme/team/bob", "1", None),
        ("ghcr.io/acme/bob", "ghcr.io", "acme/bob", None, None),
        ("GHCR.io/acme/bob", "ghcr.io", "acme/bob", None, None),
        ("ghcr.io/bob", "ghcr.io", "bob", None, None),
        ("oci://ghcr.io/acme/bob:v1.2.3", "ghcr.io", "acme/bob", "v1.2.3", None),
        (f"ghcr.io/acme/bob@{D}", "ghcr.io", "acme/bob", None, D),
        (f"ghcr.io/acme/bob:v1@{D}", "ghcr.io", "acme/bob", "v1", D),
        (f"oci://ghcr.io/acme/bob:v1@{D512}", "ghcr.io", "acme/bob", "v1", D512),
        ("localhost/x", "localhost", "x", None, None),
        ("localhost/x/y:z", "localhost", "x/y", "z", None),
        ("localhost:5000/x", "localhost:5000", "x", None, None),
        ("registry:5000/x:1", "registry:5000", "x", "1", None),
        ("127.0.0.1:5000/x/y", "127.0.0.1:5000", "x/y", None, None),
        ("[::1]:5000/x", "[::1]:5000", "x", None, None),
        ("[::1]/x:y", "[::1]", "x", "y", None),
        ("[::ffff:127.0.0.1]:5000/x", "[::ffff:127.0.0.1]:5000", "x", None, None),
        ("a.b/c__d/e---f/g.h_i:_x", "a.b", "c__d/e---f/g.h_i", "_x", None),
        ("r.io/x:sha256-" + "0" * 64, "r.io", "x", "sha256-" + "0" * 64, None),
        ("r.io/x:" + "t" * 128, "r.io", "x", "t" * 128, None),
    ],
)
def test_registry_forms(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    reference = parse_reference(text)
    assert reference == RegistryReference(registry, repository, tag, digest)
    assert parse_reference(str(reference)) == reference
    assert parse_reference(f"oci://{reference}") == reference
    assert reference.selector == (digest or tag)


@pytest.mark.parametrize(
    ("text", "directory", "tag", "digest"),
    [
        ("oci-layout:out", "out", None, None),
        ("oci-layout:./out:v1", "out", "v1", None),
        ("oci-layout:/abs/a b.c:v1", "/abs/a b.c", "v1", None),
        ("oci-layout:../out", "../out", None, None),
        ("oci-layout:.", ".", None, None),
        ("oci-layout:.:latest", ".", "latest", None),
        ("oci-layout:~/out:v1", "~/out", "v1", None),
        (f"oci-layout:out@{D}", "out", None, D),
        (f"oci-layout:out:v1@{D512}", "out", "v1", D512),
        ("oci-layout:a:b/", "a:b", None, None),
        ("oci-layout:a:b/c", "a:b/c", None, None),
        ("oci-layout:a:b:v1", "a:b", "v1", None),
        ("oci-layout:me@host/out:v1", "me@host/out", "v1", None),
        ("oci-layout:out@2:v1", "out@2", "v1", None),
        ("oci-layout:/", "/", None, None),
    ],
)
def test_layout_forms(text: str, directory: str, tag: str | None, digest: str | None) -> None:
    reference = parse_reference(text)
    assert reference == LayoutReference(Path(directory), tag, digest)
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "ghcr.io/",
        "/x",
        "ghcr.io//x",
        "ghcr.io/x/",
        "ghcr.io/x:",
        "ghcr.io/x@",
        "ghcr.io/x:a:b",
        "ghcr.io/x:-a",
        "ghcr.io/x:a/b",
        "ghcr.io/x:" + "t" * 129,
        "ghcr.io/x@sha256:abc",
        f"ghcr.io/x@{D.upper()}",
        f"ghcr.io/x@{D}@{D}",
        f"ghcr.io/x@{D}:v1",
        "ghcr.io/x@md5:0123",
        "ghcr.io/x y",
        " ghcr.io/x",
        "ghcr.io/x\n",
        "ghcr.io/x:v1\n",
        "ghcr.io/_x",
        "ghcr.io/x_",
        "ghcr.io/x___y",
        "ghcr.io/x..y",
        "ghcr.io/x._y",
        "ghcr.io/é",
        "ghcr.io/../x",
        "ghcr.io/" + "x" * 248,
        "ghcr.io:99999/x",
        "ghcr.io:/x",
        "ghcr.io:a/x",
        "-a.io/x",
        "a_b.io/x",
        "[::1/x",
        "[::g]/x",
        "[1.2.3.4]/x",
        "[::1]",
        "[::1]:5000",
        "localhost",
        "localhost:5000",
        "http://ghcr.io/x",
        "https://ghcr.io/x",
        "docker://x",
        "oci://",
        "oci:x/y/",
        "user:pass@ghcr.io/x",
        "oci-layout:",
        "oci-layout::v1",
        "oci-layout:x:",
        "oci-layout:x:-",
        "oci-layout:x@sha256:abc",
        f"oci-layout:x@{D.upper().replace('SHA', 'sha')}",
        "oci-layout://x/y",
        "oci-layout:a\0b",
        "oci-layout:a\nb",
        f"oci-layout:@{D}",
    ],
)
def test_junk_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference(text)
    assert caught.value.hint
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["ghcr.io/Acme/bob", "Acme/bob", "Alpine", "acme/Bob:v1", "oci://ghcr.io/acme/BOB"]
)
def test_upper_case_in_a_repository_hints_at_lower_case(text: str) -> None:
    with pytest.raises(InputError, match="upper case") as caught:
        parse_reference(text)
    assert caught.value.hint is not None
    assert caught.value.hint == caught.value.hint.lower()


def test_the_longest_name() -> None:
    name = "r.io/" + "x" * 250
    assert str(parse_reference(name)) == name


@given(REGISTRY | LAYOUTS)
def test_text_round_trips(reference: RegistryReference | LayoutReference) -> None:
    assert parse_reference(str(reference)) == reference


@given(st.text() | st.text(st.sampled_from("ab.:/@-_[]A1 ")) | st.text().map("oci-layout:{}".format))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InputError:
        return
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize("text", [f"r.io/x:v1@{D}", f"oci-layout:x:v1@{D}"])
def test_with(text: str) -> None:
    reference = parse_reference(text)
    assert reference.selector == D
    assert str(reference.with_tag("v2")) == f"{reference.name}:v2"
    assert reference.with_tag(None).selector is None
    assert str(reference.with_digest(D512)) == f"{reference.name}:v1@{D512}"
    assert reference.with_digest(None).selector == "v1"
    with pytest.raises(InputError):
        reference.with_tag("a b")
    with pytest.raises(InputError):
        reference.with_digest("sha256:x")


@pytest.mark.parametrize(
    ("registry", "loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("registry.localhost:1", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("ghcr.io", False),
        ("localhost.evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback(registry: str, *, loopback: bool) -> None:
    assert is_loopback(registry) is loopback
