"""BOB1xx and BOB2xx over bundles: which code, at which line of the template."""
# ruff: noqa: E501 -- a case is a line

from __future__ import annotations

from pathlib import Path

import pytest

from bob_ci.bundle.render import render
from bob_ci.bundle.source import read_bundle
from bob_ci.bundle.view import view
from bob_ci.lint.finding import Finding
from bob_ci.lint.run import lint
from bob_ci.oci.platform import DEFAULT_PLATFORM

HEAD = "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1\nkind: {}\nmetadata:\n  name: p\n"
AP, NN, CP = (HEAD.format(kind) for kind in ("ApplicationProfile", "NetworkNeighborhood", "ContainerProfile"))
CONTAINER = "spec:\n  containers:\n  - name: c\n"  # lines 5 to 7

# text → code:line of every finding
CASES = {
    "good": (AP + CONTAINER + "    execs:\n    - path: /x\n      args: [a, '1', \"no\"]\n", ""),
    "nulls": (AP + CONTAINER + "    execs: null\n    opens:\n    rulePolicies: ~\n    imageID: null\n", ""),
    "an object of another kind": ("apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\nspec: {x: 012}\n", "BOB207:1"),
    "no object": ("- a\n", "BOB207:1"),
    "nothing at all": ("# later\n", "BOB207:1"),
    "a key twice": (AP + CONTAINER + "    execs: []\n    execs: []\n", "BOB102:9"),
    "a key twice behind an alias": (AP + "  labels: &x {a: b}\n  annotations: *x\n" + CONTAINER, ""),
    "a placeholder misspelt": (AP + CONTAINER + "    imageID: $value.image@x\n    opens: []  # $values.note\n", "BOB110:8"),
    "a placeholder not closed": (AP + CONTAINER + '    imageID: "${values.image"\n', "BOB110:8"),
    "a placeholder of Helm": (AP + CONTAINER + '    imageID: "{{ .Values.bob.image }}"\n    imageTag: "{{ .Image }}"\n', "BOB110:8"),
    "wrong version": (AP.replace("v1beta1", "v1") + "spec: {}\n", "BOB201:1"),
    "no version": ("kind: ApplicationProfile\nmetadata: {name: p}\nspec: {}\n", "BOB201:1"),
    "wrong group": ("apiVersion: v1\nkind: NetworkNeighborhood\nmetadata: {name: p}\nspec: {}\n", "BOB201:1"),
    "wrong kind": (AP.replace("ApplicationProfile", "SeccompThing") + "spec: {}\n", "BOB201:2"),
    "unknown fields": (
        NN + "  nme: x\nspec:\n  egress: []\n  containers:\n  - name: c\n    execs: []\nextra: {deep: {er: 1}}\n",
        "BOB202:5 BOB202:7 BOB202:10 BOB202:11",
    ),
    "types": (
        NN + CONTAINER + "    egress:\n    - identifier: x\n      ports:\n      - port: '80'\n        name: 80\n"
        "      ipAddresses: 10.0.0.0/8\n      podSelector: []\n    - x\n",
        "BOB203:11 BOB203:12 BOB203:13 BOB203:14 BOB203:15",
    ),
    "bool": (AP + CONTAINER + "    endpoints:\n    - internal: 'true'\n    - internal: maybe\n", "BOB203:9 BOB203:10"),
    "strings that are none": (
        AP + CONTAINER + "    syscalls: [no, 012, 1.5, ~, 12:30,\n      1e3, y, 0o17, 2025-10-17, .inf, null]\n",
        "BOB203:8 BOB203:8 BOB203:8 BOB203:8 BOB203:9 BOB203:9 BOB203:9 BOB203:9 BOB203:9",
    ),
    "strings that are some": (AP + CONTAINER + "    syscalls: [nope, 1.2.3, 1e, x1, '012', \"no\", '']\n", ""),
    "label": (AP + "  labels: {a: 1, b: 'x'}\n  annotations:\n    c: true\n    d:\n    e: y\nspec: {}\n",
              "BOB204:5 BOB204:7 BOB204:8 BOB204:9"),
    "no name": (AP.replace("name: p", "namespace: x") + "spec: {}\n", "BOB205:4"),
    "empty name": (AP.replace("name: p", 'name: ""') + "spec: {}\n", "BOB205:4"),
    "no metadata": (AP.partition("metadata")[0] + "spec: {}\n", "BOB205:1"),
    "no spec": (AP, "BOB206:1"),
    "null spec": (AP + "spec:\n", "BOB206:1"),
    "in a loop": (
        AP + "spec:\n  containers:\n{% for x in values.L %}\n  - name: '{{ x }}'\n{# a comment #}\n    port: 1\n{% endfor %}\n"
        "  - name: 1\n",
        "BOB202:10 BOB203:12",
    ),
    "in a repeated item": (AP + "spec:\n  containers:\n  - name: $values.L\n    port: 1\n  - name: 1\n", "BOB202:8 BOB203:9"),
    "in the second document": (AP + "spec: {}\n---\n" + AP + "spec: {x: 1}\n", "BOB202:11"),
    "windows": ((AP + "spec:\n  x: 1\n").replace("\n", "\r\n"), "BOB202:6"),
}  # fmt: skip


def findings(folder: Path, text: str) -> list[Finding]:
    (folder / "bob.yaml").write_bytes(text.encode())
    (folder / "bob.values").write_text("L=a,b\n")
    bundle = read_bundle(folder)
    return lint(bundle, [render(view(bundle, DEFAULT_PLATFORM))])


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=list(CASES))
def test_schema(tmp_path: Path, text: str, expected: str) -> None:
    found = [each for each in findings(tmp_path, text) if not each.code.startswith("BOB6")]
    assert " ".join(f"{each.code}:{each.line}" for each in found) == expected, found
    assert {each.file for each in found} <= {str(tmp_path / "bob.yaml")}


def test_a_finding_says_where_and_what(tmp_path: Path) -> None:
    text = NN + CONTAINER + "    egress:\n    - ports:\n      - name: a\n        port: '80'\n"
    (found,) = (each for each in findings(tmp_path, text) if each.code == "BOB203")
    assert (found.line, found.column) == (11, 15)
    assert found.path == "spec.containers[0].egress[0].ports[0].port"
    assert found.message == "spec.containers[0].egress[0].ports[0].port: a string where a number is due"
    assert str(found.severity) == "error"


def test_what_a_loop_repeats_is_one_finding(tmp_path: Path) -> None:
    text = AP + "spec:\n  containers:\n  - name: $values.L\n    port: 1\n"
    (found,) = (each for each in findings(tmp_path, text) if each.code == "BOB202")
    assert found.message == "spec.containers[0].port: no such field"
