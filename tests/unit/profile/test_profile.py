"""What Kubescape's kinds mean: fields by path, containers, counts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bob_ci.profile.allows import allows
from bob_ci.profile.objects import Summary, is_profile, items_of, load_objects, summaries
from bob_ci.profile.schema import API_VERSION, KINDS, Path, field_at, fields_of

AP, NN, CP = KINDS


@pytest.mark.parametrize(
    ("kind", "path", "type_"),
    [
        (AP, (), "map"),
        (AP, ("spec", "containers", 0, "execs", 3, "args", 1), "string"),
        (AP, ("spec", "initContainers", 0, "endpoints", 0, "internal"), "boolean"),
        (AP, ("spec", "containers", 0, "endpoints", 0, "headers", "Host", 0), "string"),
        (AP, ("spec", "containers", 0, "rulePolicies", "R0001", "containerAllowed"), "boolean"),
        (AP, ("spec", "containers", 0, "seccompProfile", "spec", "syscalls", 0, "errnoRet"), "integer"),
        (AP, ("spec", "containers", 0, "ingress"), None),
        (AP, ("spec", "matchLabels"), None),
        (NN, ("spec", "containers", 0, "egress", 1, "ports", 0, "port"), "integer"),
        (NN, ("spec", "containers", 0, "egress", 1, "ports", 0, "name"), "string"),
        (NN, ("spec", "matchLabels", "app"), "string"),
        (NN, ("spec", "egress"), None),
        (CP, ("spec", "egress", 0, "podSelector", "matchLabels", "app"), "string"),
        (CP, ("spec", "containers", 0, "execs", 0, "argsRequired"), "boolean"),
        (CP, ("metadata", "labels", "x"), "string"),
        (CP, ("metadata", "generation"), "integer"),
        (CP, ("spec", "imageID", "deeper"), None),
        (CP, ("nothing", "here"), None),
    ],
)
def test_fields_by_path(kind: str, path: Path, type_: str | None) -> None:
    field = field_at(kind, path)
    assert (field.type if field else None) == type_


NEIGHBOUR = ("spec", "containers", 0, "egress", 0)


@pytest.mark.parametrize(
    ("path", "question", "answer"),
    [
        ((*NEIGHBOUR, "ports", 0, "port"), "is_integer", True),
        ((*NEIGHBOUR, "ports", 0, "name"), "is_integer", False),
        ((*NEIGHBOUR, "ipAddresses", 0), "is_address", True),
        ((*NEIGHBOUR, "dnsNames", 0), "is_address", False),
        ((*NEIGHBOUR, "ipAddress"), "is_address", False),
        (("spec", "ipAddresses", 0), "is_address", False),
        (NEIGHBOUR, "is_neighbour", True),
        (NEIGHBOUR[:-1], "is_neighbour", False),
        (("spec", "matchLabels"), "holds_strings", True),
        (("metadata", "labels"), "holds_strings", True),
        (("metadata", "unknown"), "holds_strings", True),
        (("metadata",), "holds_strings", False),
        ((*NEIGHBOUR, "podSelector", "matchLabels"), "holds_strings", True),
        ((*NEIGHBOUR, "podSelector"), "holds_strings", False),
        ((*NEIGHBOUR, "ipAddresses"), "holds_strings", False),
        ((*NEIGHBOUR, "ports"), "holds_strings", False),
        (("spec", "containers"), "holds_strings", False),
    ],
)
def test_what_the_compiler_asks(path: Path, question: str, answer: bool) -> None:  # noqa: FBT001
    fields = fields_of(API_VERSION, NN)
    assert getattr(fields, question)(path) is answer


def test_bool_fields() -> None:
    fields = fields_of(API_VERSION, AP)
    assert fields is not None
    assert fields.is_boolean(("spec", "containers", 0, "endpoints", 0, "internal"))
    assert not fields.is_boolean(("spec", "containers", 0, "endpoints", 0, "direction"))


@pytest.mark.parametrize(
    ("api_version", "kind", "known"),
    [
        (API_VERSION, AP, True),
        ("spdx.softwarecomposition.kubescape.io/v2", CP, True),
        ("v1", AP, False),
        (API_VERSION, "Deployment", False),
        ("", "", False),
    ],
)
def test_which_objects_are_profiles(api_version: str, kind: str, known: bool) -> None:  # noqa: FBT001
    assert (fields_of(api_version, kind) is not None) is known
    assert is_profile({"apiVersion": api_version, "kind": kind}) is known


def profile(kind: str, spec: Any, name: str = "p") -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def test_objects_of_a_stream() -> None:
    text = "a: 1\n---\n# nothing\n---\nkind: List\nitems:\n- b: 1\n- c: 1\n---\nkind: PodList\n---\n- d\n"
    assert load_objects(text) == [{"a": 1}, {"b": 1}, {"c": 1}, ["d"]]
    with pytest.raises(yaml.YAMLError):
        load_objects("a: !!python/object/apply:os.system [x]\n")


def test_summaries() -> None:
    found = [
        profile(AP, {"containers": [{"name": "a"}, {}, "x"], "initContainers": [{"name": "b"}]}),
        profile(CP, {"execs": []}, "flat"),
        {"apiVersion": API_VERSION, "kind": NN, "metadata": None, "spec": None},
        {"kind": "Pod"},
        "text",
    ]
    assert list(summaries(found)) == [
        Summary(AP, "p", ("a", "b")),
        Summary(CP, "flat", ()),
        Summary(NN, "", ()),
    ]


def test_items_that_the_server_counts() -> None:
    spec: dict[str, Any] = {
        "syscalls": ["a"] * 3,
        "execs": None,
        "architectures": ["no item"],
        "containers": [{"opens": [{}] * 4, "endpoints": [{}]}],
        "ephemeralContainers": [{"identifiedCallStacks": [{}, {}], "capabilities": ["x"]}],
    }
    assert items_of(profile(CP, spec)) == 3 + 4 + 1 + 2 + 1
    nothing: list[Any] = [None, {}, {"spec": []}, []]
    assert [items_of(each) for each in nothing] == [0, 0, 0, 0]


def test_what_a_profile_allows() -> None:
    flat = profile(CP, {"execs": [{}], "opens": None, "ingress": [], "egress": None})
    (one,) = allows([{"kind": "Pod"}, flat])
    assert (one.kind, one.profile, one.container) == (CP, "p", "")
    assert one.counts == {
        "executables": 1,
        "files": 0,
        "syscalls": None,
        "capabilities": None,
        "endpoints": None,
        "ingress": 0,
        "egress": None,
    }
    both = profile(
        AP, {"containers": [{"name": "a", "syscalls": ["x", "y"]}], "initContainers": [{"name": "b"}]}
    )
    assert [(each.container, each.counts["syscalls"]) for each in allows([both])] == [("a", 2), ("b", None)]
    assert list(allows([profile(AP, {}), profile(NN, None)])) == []
