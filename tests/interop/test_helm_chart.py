"""The emitted chart in real Helm, 3 and 4: the same objects as `render`, and the same refusals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bob_ci.bundle.chart import chart_files
from bob_ci.bundle.helm import helm_template
from bob_ci.bundle.render import render
from bob_ci.bundle.source import Kind, read_bundle
from bob_ci.bundle.view import Overrides, view
from bob_ci.errors import BobError, InputError
from bob_ci.oci.platform import DEFAULT_PLATFORM
from bob_ci.profile.objects import load_objects, summaries

Helm = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.peer("helm", "helm3")

CASES = sorted(
    file.parent for file in (Path(__file__).parents[1] / "data" / "templates").glob("*/expected.yaml")
)
EXAMPLES = ("webapp", "chain-frontend", "argocd-repo-server")
FORMS = ("bob.yaml", "bob.seed.yaml")


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def chart_of(bundle: Path, folder: Path) -> Path:
    found = read_bundle(bundle)
    return write(folder, chart_files(view(found, DEFAULT_PLATFORM), found.manifest, "chart"))


def objects(text: str) -> list[str]:
    return sorted(json.dumps(each, default=str) for each in yaml.safe_load_all(text) if each is not None)


def printed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(bundle: Path, *assignments: str, files: tuple[Path, ...] = ()) -> str:
    return render(view(read_bundle(bundle), DEFAULT_PLATFORM, Overrides(files, assignments))).text


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_cases(helms: Mapping[str, Helm], tmp_path: Path, case: Path) -> None:
    chart = chart_of(case, tmp_path)
    for helm in helms.values():
        assert objects(printed(helm("template", "x", chart))) == objects((case / "expected.yaml").read_text())


@pytest.fixture(params=[(name, form) for name in EXAMPLES for form in FORMS], ids="-".join)
def example(request: pytest.FixtureRequest, shared_data: Path, tmp_path: Path) -> Path:
    """A worked example in one of its forms, as a bundle."""
    name, form = request.param
    source = shared_data / "examples" / name
    files = {
        "bob.yaml": source / form,
        "bob.values": source / "bob.values",
        "expected": source / "expected.yaml",
    }
    return write(tmp_path / "bundle", {target: file.read_bytes() for target, file in files.items()})


def test_worked_examples(helms: Mapping[str, Helm], tmp_path: Path, example: Path) -> None:
    chart = chart_of(example, tmp_path / "chart")
    expected = objects((example / "expected").read_text())
    assert objects(rendered(example)) == expected
    for helm in helms.values():
        assert objects(printed(helm("template", "x", chart))) == expected
        lint = helm("lint", "--strict", "--quiet", chart)
        assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


def test_worked_examples_with_other_values(helms: Mapping[str, Helm], tmp_path: Path, example: Path) -> None:
    chart = chart_of(example, tmp_path / "chart")
    blocks = ["192.168.7.9/30", "10.0.0.1"]
    words = ["--set-string", "bob.namespace=7655567946"]
    words += [w for n, b in enumerate(blocks) for w in ("--set-string", f"bob.NETWORK_BLOCKS[{n}]={b}")]
    expected = objects(rendered(example, f"NETWORK_BLOCKS={','.join(blocks)}", "namespace=7655567946"))
    file = write(
        tmp_path, {"v.yaml": f'bob: {{namespace: "7655567946", NETWORK_BLOCKS: {json.dumps(blocks)}}}'}
    )
    for helm in helms.values():
        assert objects(printed(helm("template", "x", chart, *words))) == expected
        assert objects(printed(helm("template", "x", chart, "--values", file / "v.yaml"))) == expected


def test_bad_values(helms: Mapping[str, Helm], tmp_path: Path, example: Path) -> None:
    chart = chart_of(example, tmp_path / "chart")
    for helm in helms.values():
        bad = helm("template", "x", chart, "--set-string", "bob.NETWORK_BLOCKS[0]=10.0.0.0/33")
        assert bad.returncode != 0
        assert "NETWORK_BLOCKS" in bad.stderr
        number = helm("template", "x", chart, "--set", "bob.namespace=7655567946")
        assert number.returncode != 0
        assert "namespace" in number.stderr
        assert "want string" in number.stderr or "Expected: string" in number.stderr
        missing = helm("template", "x", chart, "--set", "bob.name=null")
        assert missing.returncode != 0
        assert "name" in missing.stderr


PROFILE = """apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: NetworkNeighborhood
metadata:
  name: $values.name
spec:
  containers:
  - name: c
    egress:
    - identifier: x
      ipAddresses:
      - $values.CIDR
"""
POD = """apiVersion: v1
kind: Pod
metadata:
  name: $values.name-test
  annotations:
    a: b
spec:
  containers:
  - name: c
    command: [wget, "$values.name:80"]
"""
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: $values.name
spec:
  replicas: $values.replicas
  selector: {matchLabels: {app: $values.name}}
"""
BUNDLE = {
    "bob.yaml": PROFILE,
    "bob.values": "# the workload\nname=web\nreplicas=2\nCIDR=10.0.0.0/8\n",
    "deployment.yaml": DEPLOYMENT,
    "bob.test.yaml": POD,
}


def test_an_empty_list(helms: Mapping[str, Helm], tmp_path: Path) -> None:
    """A neighbour without any target: refused by both, and in Helm with the same words."""
    bundle = write(tmp_path / "bundle", BUNDLE)
    chart = chart_of(bundle, tmp_path / "chart")
    with pytest.raises(InputError, match="a neighbour is left without any target"):
        rendered(bundle, "CIDR=")
    for helm in helms.values():
        refused = helm("template", "x", chart, "--set-json", "bob.CIDR=[]")
        assert refused.returncode != 0
        assert "a neighbour is left without any target" in refused.stderr


def test_the_hook(helms: Mapping[str, Helm], tmp_path: Path) -> None:
    chart = chart_of(write(tmp_path / "bundle", BUNDLE), tmp_path / "chart")
    for helm in helms.values():
        shown = printed(helm("template", "x", chart, "--show-only", "templates/tests/bob.test.yaml"))
        (pod,) = yaml.safe_load_all(shown)
        assert pod["metadata"] == {"name": "web-test", "annotations": {"helm.sh/hook": "test", "a": "b"}}
        assert [each["kind"] for each in _all(helm("template", "x", chart))].count("Pod") == 1
        kinds = [each["kind"] for each in _all(helm("template", "x", chart, "--skip-tests"))]
        assert sorted(kinds) == ["Deployment", "NetworkNeighborhood"]
        lint = helm("lint", "--strict", "--quiet", chart)
        assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


def _all(done: subprocess.CompletedProcess[str]) -> list[Any]:
    return [each for each in yaml.safe_load_all(printed(done)) if each is not None]


def test_lint_is_quiet_about_small_and_odd_charts(helms: Mapping[str, Helm], tmp_path: Path) -> None:
    odd = {
        "bob.yaml": 'kind: X\napiVersion: v1\nmetadata: {name: x}\na: "{{ y }} $values.yes"\n',
        "bob.values.yaml": "yes: 1e10\nm: {}\nl: []\n",
    }
    for number, files in enumerate(
        (
            odd,
            {"bob.yaml": "# nothing\n"},
            {"bob.yaml": PROFILE.partition("spec")[0], "bob.values": "name=7655567946\n"},
        )
    ):
        chart = chart_of(write(tmp_path / f"b{number}", files), tmp_path / f"c{number}")
        for helm in helms.values():
            lint = helm("lint", "--strict", "--quiet", chart)
            assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


RETYPED = [
    "7655567946", "67965968", "1e10", "0123456701", "0o17", "1_000", "0x1F", "no", "172.16", "12:30:45",
    "2025-10-17", "2e642e5", "123e456", "~", "null", "y", "on", "true", "TRUE", ".inf", "-0", "+1", "=", "<<",
]  # fmt: skip


def test_values_that_change_type(helms: Mapping[str, Helm], tmp_path: Path) -> None:
    """BUNDLE-EXAMPLES.md, "Values that change type": they stay strings, also from a customer's file."""
    lines = "".join(f"v{number}={value}\n" for number, value in enumerate(RETYPED))
    labels = "".join(f"    l{number}: $values.v{number}\n" for number in range(len(RETYPED)))
    text = PROFILE.replace("$values.name", "x").partition("spec:")[0] + f"  labels:\n{labels}"
    chart = chart_of(write(tmp_path / "bundle", {"bob.yaml": text, "bob.values": lines}), tmp_path / "chart")
    expected = {f"l{number}": value for number, value in enumerate(RETYPED)}
    quoted = json.dumps({"bob": {f"v{number}": value for number, value in enumerate(RETYPED)}})
    file = write(tmp_path, {"v.yaml": quoted}) / "v.yaml"
    strings = [f"bob.v{number}={value}" for number, value in enumerate(RETYPED) if value != "null"]
    for helm in helms.values():
        for words in ([], ["--values", str(file)], ["--set-string", ",".join(strings)]):
            (found,) = _all(helm("template", "x", chart, *words))
            assert found["metadata"]["labels"] == expected


def test_keys_that_change_type(helms: Mapping[str, Helm], tmp_path: Path) -> None:
    keys = [
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "nil",
        "if",
        "end",
        "range",
        "_",
        "__class__",
    ]
    values = "".join(f"{key}: v-{key}\n" for key in keys)
    text = "kind: X\napiVersion: v1\n" + "".join(f'k{n}: "$values.{key}"\n' for n, key in enumerate(keys))
    bundle = write(tmp_path / "bundle", {"bob.yaml": text, "bob.values.yaml": values})
    chart = chart_of(bundle, tmp_path / "chart")
    for helm in helms.values():
        (found,) = _all(helm("template", "x", chart))
        assert [found[f"k{n}"] for n in range(len(keys))] == [f"v-{key}" for key in keys]


BLOCKS = [
    "0.0.0.0/0",
    "255.255.255.255",
    "10.1.2.3/24",
    "172.16.0.7/29",
    "192.0.2.1/31",
    "1.2.3.4/32",
    "128.0.0.1/1",
    "10.0.0.255/25",
]


def test_network_filters(helms: Mapping[str, Helm], tmp_path: Path) -> None:
    text = """kind: X
apiVersion: v1
blocks:
{% for block in values.BLOCKS %}
- "{{ block | network }}/{{ block | prefixlen }} {{ block | netmask }}"
{% endfor %}
hosts:
{% for block in values.SMALL %}
- "{{ block | hosts | join(' ') }}"
{% endfor %}
"""
    small = [block for block in BLOCKS if int((block.partition("/")[2]) or 32) >= 24]
    values = f"BLOCKS={','.join(BLOCKS)}\nSMALL={','.join(small)}\n"
    bundle = write(tmp_path / "bundle", {"bob.yaml": text, "bob.values": values})
    chart = chart_of(bundle, tmp_path / "chart")
    for helm in helms.values():
        assert objects(printed(helm("template", "x", chart))) == objects(rendered(bundle))
        large = helm("template", "x", chart, "--set-string", "bob.SMALL[0]=10.0.0.0/23")
        assert "10.0.0.0/23 has 512 addresses, at most 256 in one block" in large.stderr


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("a: '$values.a'", "x\ny"),
        ("a: $values.a", "a: b"),
        ("a: $values.a", "x<no value>"),
        ("a: |\n  $values.a", " x"),
        ("a: |\n  $values.a", "x\ny"),
        ("a: |\n  {{ values.a | indent(2) }}", "\nx"),
        ('a: \'{{ values.a | lower | replace("x", "y") | upper | indent(1) }}\'', "x\ny"),
        ('a: "{{ values.a | network }}"', "x"),
        ('a: "{{ values.a | hosts | join(",") }}"', "::1/128"),
        ('a: "{{ values.a | hosts | join(",") }}"', "10.0.0.0/8"),
    ],
)
def test_both_refuse(helms: Mapping[str, Helm], tmp_path: Path, template: str, value: str) -> None:
    good = "10.0.0.0/30"
    bundle = write(tmp_path / "bundle", {"bob.yaml": f"kind: X\n{template}\n", "bob.values": f"a={good}\n"})
    chart = chart_of(bundle, tmp_path / "chart")
    other = write(
        tmp_path, {"ours.json": json.dumps({"a": value}), "theirs.json": json.dumps({"bob": {"a": value}})}
    )
    with pytest.raises(InputError):
        rendered(bundle, files=(other / "ours.json",))
    for helm in helms.values():
        assert printed(helm("template", "x", chart))
        assert helm("template", "x", chart, "--values", other / "theirs.json").returncode != 0


def test_a_bundle_that_is_a_chart(peers: Mapping[str, Path], shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mywebapp-chart"
    assert read_bundle(source).kind is Kind.CHART
    for name in ("helm", "helm3"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helm").symlink_to(peers[name])
        environ = {"PATH": f"{folder}:{os.defpath}", "HOME": str(tmp_path)}
        text = helm_template(source, "x", values=(), assignments=("bob.unused=x",), environ=environ)
        assert [each.kind for each in summaries(load_objects(text))] == ["ApplicationProfile"]
        assert "helm.sh/hook" not in text
        shutil.copytree(shared_data / "redis-chart", folder / "redis")
        with pytest.raises(BobError) as caught:
            helm_template(folder / "redis", "x", values=(), assignments=(), environ=environ)
        assert caught.value.hint == "the chart has dependencies: run `helm dependency build` in it first"
