"""FORMAT.md 4: the files of the chart, byte for byte where it matters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.bundle.chart import chart_files
from bob_ci.bundle.helm import helm_template
from bob_ci.bundle.source import read_bundle
from bob_ci.bundle.values import read_yaml
from bob_ci.bundle.view import view
from bob_ci.errors import BobError
from bob_ci.oci.platform import DEFAULT_PLATFORM
from bob_ci.template.emptiness import NO_TARGET
from bob_ci.template.patterns import is_text

PROFILE = """apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: NetworkNeighborhood
metadata:
  name: $values.name
spec:
  containers:
  - name: c
    ingress:
    - identifier: x
      ipAddresses:
      - $values.CIDR
      ports:
      - port: $values.port
"""


def chart(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    bundle = read_bundle(folder)
    made = chart_files(view(bundle, DEFAULT_PLATFORM), bundle.manifest, "web")
    return {name: data.decode() for name, data in made.items()}


def test_the_files(tmp_path: Path) -> None:
    values = "name=n\nport=80\nCIDR=10.0.0.0/8\n"
    small = chart(tmp_path, {"bob.yaml": PROFILE, "bob.values": values})
    assert sorted(small) == [
        "Chart.yaml",
        "templates/NOTES.txt",
        "templates/_helpers.tpl",
        "templates/bob.yaml",
        "values.schema.json",
        "values.yaml",
    ]
    more = chart(tmp_path, {"deployment.yaml": "a: 1\n", "bob.test": "metadata: {name: x}\n"})
    assert sorted(set(more) - set(small)) == ["templates/deployment.yaml", "templates/tests/bob.test.yaml"]
    assert (
        more["templates/tests/bob.test.yaml"] == 'metadata: {annotations: {"helm.sh/hook": test}, name: x}\n'
    )
    assert "helm test {{ .Release.Name }}" in more["templates/NOTES.txt"]
    assert "helm test" not in small["templates/NOTES.txt"]


def test_the_template_text(tmp_path: Path) -> None:
    files = {"bob.yaml": PROFILE, "bob.values": "name=n\nport=80\nCIDR=10.0.0.0/8\n"}
    assert (
        chart(tmp_path, files)["templates/bob.yaml"].replace(NO_TARGET, "REFUSAL")
        == """apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: NetworkNeighborhood
metadata:
  name: "{{ include "bob.quoted" .Values.bob.name }}"
spec:
  containers:
  - name: c
    ingress:
    - identifier: x
      ipAddresses:{{ if not .Values.bob.CIDR }}{{ fail "REFUSAL" }}{{ end }}
{{- range $each_cidr := .Values.bob.CIDR }}
      - "{{ include "bob.block" $each_cidr }}"
{{- end }}
      ports:
      - port: {{ include "bob.integer" .Values.bob.port }}
"""
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a: "{{ .x }} {{{{"\n', 'a: "{{ "{{" }} .x }} {{ "{{" }}{{ "{{" }}"\n'),
        ("a: {$values.a}\n", 'a: {{ "{" }}{{ include "bob.plain" .Values.bob.a }}}\n'),
        ('a: "{{$values.a"\n', 'a: "{{ "{{" }}{{ include "bob.quoted" .Values.bob.a }}"\n'),
        ('a: "{{{$values.a"\n', 'a: "{{ "{{" }}{{ "{" }}{{ include "bob.quoted" .Values.bob.a }}"\n'),
        ("a: |\n  x\n", "a: |\n  x\n#\n"),
        ("a: |\n  x\n---\nb: >-\n  x", "a: |\n  x\n#\n---\nb: >-\n  x\n#\n"),
        ("a: x | y\n", "a: x | y\n"),
    ],
)
def test_text_that_helm_would_read(tmp_path: Path, text: str, expected: str) -> None:
    assert chart(tmp_path, {"bob.yaml": text, "bob.values": "a=1\n"})["templates/bob.yaml"] == expected


def test_chart_yaml(tmp_path: Path) -> None:
    manifest = "apiVersion: k8sstormcenter.io/v1alpha1\nkind: BoBManifest\nspec:\n  version: 1.2.3\n"
    plain = chart(tmp_path, {"bob.yaml": "a: 1\n"})["Chart.yaml"]
    assert plain.splitlines() == [
        "apiVersion: v2",
        'name: "web"',
        'description: "Bill of Behavior of web"',
        "type: application",
        'version: "0.0.0"',
    ]
    text = manifest + '  description: "a \\"b\\"\\nc"\n'
    described = chart(tmp_path, {"manifest.yaml": text})["Chart.yaml"]
    assert yaml.safe_load(described) == {
        "apiVersion": "v2",
        "name": "web",
        "description": 'a "b"\nc',
        "type": "application",
        "version": "1.2.3",
    }


def test_values_yaml(tmp_path: Path) -> None:
    text = """# head

# of a
a: 7655567946
no: off
deep:
  # inner
  list: [1, {y: z}, [x, []], {}]
  none: {}
X: []
# tail
"""
    made = chart(tmp_path, {"bob.yaml": "a: 1\n", "bob.values.yaml": text})["values.yaml"]
    assert (
        made
        == """bob:
  # head
  # of a
  a: "7655567946"
  "no": "off"
  deep:
    # inner
    list:
      - "1"
      -
        "y": "z"
      -
        - "x"
        - []
      - {}
    none: {}
  X: []
  # tail
"""
    )
    lines = chart(
        tmp_path / "lines", {"bob.yaml": "a: 1\n", "bob.values": "# of a\na=~\n# bad\x07\nb=1\n# tail\n"}
    )
    assert lines["values.yaml"] == 'bob:\n  # of a\n  a: "~"\n  b: "1"\n  # tail\n'
    assert chart(tmp_path / "none", {"bob.yaml": "a: 1\n"})["values.yaml"] == "bob: {}\n"


TEXT = st.text().filter(is_text)
KEYS = st.from_regex("[a-z_][a-z0-9_]{0,3}", fullmatch=True) | st.sampled_from(
    ["y", "n", "on", "null", "true"]
)
DATA = st.dictionaries(
    KEYS,
    st.recursive(TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)),
    max_size=4,
)


@given(DATA)
def test_values_come_back_from_values_yaml(data: dict[str, Any]) -> None:
    from bob_ci.bundle.chart import _values_yaml

    values = read_yaml(json.dumps(data, ensure_ascii=False), "f")
    assert yaml.safe_load("".join(_values_yaml(values))) == {"bob": data}


# --- Schema -------------------------------------------------------------------------------------------

TEMPLATE = (
    PROFILE
    + """---
kind: ConfigMap
data:
  any: "{{ values.any }}"
  single: '{{ values.single }}'
  plain: {{ values.plain }}
  default: "{{ values.optional | default('x') }}{{ values.no.parent | default('x') }}"
  line: |
    {{ values.line }}
  lines: |
    {{ values.lines | indent(4) }}
  network: "{{ values.block | network }}"
  all: {{ values.all | to_yaml }}
{% for row in values.rows %}
  "{{ row.key }}": "{{ row.more | default('x') }}"
{% endfor %}
"""
)
VALUES = """name: n
port: 80
CIDR: [10.0.0.0/8]
any: x
single: x
plain: x
line: x
lines: x
block: 10.0.0.0/8
all: [a, {b: c}]
rows: [{key: k}]
unused: u
"""
GOOD: dict[str, Any] = yaml.safe_load(VALUES.replace("80", '"80"'))


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    files = {"bob.yaml": TEMPLATE, "bob.values.yaml": VALUES}
    return json.loads(chart(tmp_path_factory.mktemp("schema"), files)["values.schema.json"])


def fits(schema: Any, data: Mapping[str, Any]) -> bool:
    # Python's `$` lets a final line break pass, Go's does not.
    text = re.sub(r'\$"(?=\s*})', r'\\\\Z"', json.dumps(schema, ensure_ascii=False))
    return jsonschema.Draft7Validator(json.loads(text)).is_valid({"bob": data})


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"any": 'x\n"\\⋯ \t'}, True),
        ({"any": "x\x07"}, False),
        ({"any": "x\r"}, False),
        ({"any": 7655567946}, False),
        ({"any": True}, False),
        ({"any": None}, False),
        ({"any": ["x"]}, False),
        ({"name": 1}, False),
        ({"port": "8080"}, True),
        ({"port": 8080}, False),
        ({"port": "08"}, False),
        ({"port": "1.5"}, False),
        ({"port": "-1"}, True),
        ({"CIDR": []}, True),
        ({"CIDR": ["::1", "10.0.0.1"]}, True),
        ({"CIDR": ["10.0.0.300"]}, False),
        ({"CIDR": "10.0.0.0/8"}, False),
        ({"block": "::1"}, False),
        ({"single": "it's\t"}, True),
        ({"single": "x\n"}, False),
        ({"plain": "a: b"}, False),
        ({"plain": "a\n"}, False),
        ({"line": " x"}, False),
        ({"line": "x\n"}, False),
        ({"lines": "x\n\ny\n"}, True),
        ({"lines": "\nx"}, False),
        ({"all": ["a", {"b": "c"}, "d"]}, True),
        ({"all": [["a"]]}, False),
        ({"rows": [{"key": "k"}, {"key": "l", "more": "m"}]}, True),
        ({"rows": [{"more": "m"}]}, False),
        ({"rows": ["k"]}, False),
        ({"optional": "o", "no": {"parent": "p"}}, True),
        ({"optional": 1}, False),
        ({"no": {}}, True),
        ({"no": "x"}, False),
        ({"unused": "v"}, True),
        ({"unused": 1}, False),
        ({"typo": "v"}, False),
    ],
)
def test_what_the_schema_takes(schema: Any, change: Mapping[str, Any], good: bool) -> None:  # noqa: FBT001
    assert fits(schema, {**GOOD, **change}) is good


@pytest.mark.parametrize("key", [key for key in GOOD if key != "unused"])
def test_what_the_schema_requires(schema: Any, key: str) -> None:
    assert not fits(schema, {name: value for name, value in GOOD.items() if name != key})


def test_the_schema_is_small_and_says_what_it_is(schema: Any) -> None:
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert fits(schema, {name: value for name, value in GOOD.items() if name != "unused"})
    assert not jsonschema.Draft7Validator(schema).is_valid({})
    definitions = set(re.findall(r"#/definitions/(\w+)", json.dumps(schema)))
    assert definitions == set(schema["definitions"])


# --- A bundle that is a chart -------------------------------------------------------------------------


def test_without_helm(tmp_path: Path) -> None:
    with pytest.raises(BobError, match="is a Helm chart, and helm is not installed"):
        helm_template(tmp_path, "x", values=(), assignments=(), environ={"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        ("exit 3", "helm template: ", None),
        (
            "echo 'found in Chart.yaml, but missing in charts/ directory: a' >&2; exit 1",
            "missing",
            "dependency build",
        ),
    ],
)
def test_helm_refuses(tmp_path: Path, script: str, message: str, hint: str | None) -> None:
    program = tmp_path / "helm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(BobError, match=message) as caught:
        helm_template(tmp_path, "x", values=(), assignments=(), environ={"PATH": str(tmp_path)})
    assert (hint or "") in (caught.value.hint or "")


def test_how_helm_is_called(tmp_path: Path) -> None:
    program = tmp_path / "helm"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    made = helm_template(
        tmp_path, "x", values=(Path("v.yaml"),), assignments=("a=1", "b=2"), environ={"PATH": str(tmp_path)}
    )
    words = ["template", "x", str(tmp_path), "--skip-tests", "--values", "v.yaml"]
    assert made.splitlines() == [*words, "--set-string", "a=1", "--set-string", "b=2"]
