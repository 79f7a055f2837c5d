"""The line-by-line outline and the parser's: whatever the first one takes, both compile to the same tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.errors import InputError
from bob_ci.profile.schema import KindFields, fields_of
from bob_ci.template import documents, tree
from bob_ci.template.compiler import compile_template
from bob_ci.template.outline import Document
from bob_ci.template.quick import quick_outline

ROOT = Path(__file__).parents[3]
VALUES = {"name": "webapp", "port": "80", "BLOCKS": ["10.0.0.0/30"], "NAMES": ["a", "b"]}
PROFILE = "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1\nkind: NetworkNeighborhood\n"


def fields(document: Document) -> KindFields | None:
    return fields_of(document.api_version, document.kind)


def compiled(text: str) -> tuple[tree.Node, ...] | str:
    try:
        return compile_template(text, "bob.yaml", VALUES, fields).nodes
    except InputError as error:
        return str(error)


def with_parser(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[tree.Node, ...] | str:
    with monkeypatch.context() as patch:
        patch.setattr(documents, "quick_outline", lambda *_: None)
        return compiled(text)


def is_quick(text: str) -> bool:
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    return quick_outline(lines, starts, "\ue000", {}) is not None


SAME = {
    "a list at its key's column": "a:\n- x: $values.name\n  y: 1\n- $values.NAMES\nb: 2\n",
    "a deeper list": "a:\n    - b: $values.name\n      c:\n        - $values.NAMES\n        - z\n",
    "a list in a list": "a:\n- - $values.name\n  - b\n- c\n",
    "comments between": "a:\n# one\n- $values.NAMES  # $values.nope\n\n  # two\n- b\n# end\nc: d\n",
    "documents": "---\na: $values.name\n---\n# nothing\n---\n- $values.NAMES\n",
    "null behind a key": "a:\nb:\n  c:\nd: $values.name\n",
    "quotes": "a: '$values.name # no'\nb: \"$values.name: yes\"\nc: x#y$values.name\nd: -$values.port\n",
    "empty collections": "a: []\nb: {}\nc:\n- []\n- $values.NAMES\n",
    "all of a list": "a:\n  b:\n  - $values.NAMES\n  - c: $values.BLOCKS.hosts\n",
    "no final line break": "a:\n- $values.NAMES",
    "a neighbour": PROFILE
    + "spec:\n  containers:\n  - name: x\n    ingress:\n    - identifier: i\n      ipAddresses:\n"
    + "      - $values.BLOCKS\n      dnsNames: null\n      ports:\n      - port: $values.port\n",
    "a neighbour with a selector": PROFILE
    + "spec:\n  containers:\n  - name: x\n    ingress:\n    - ipAddresses:\n      - $values.BLOCKS\n"
    + "      podSelector:\n        matchLabels:\n          app: x\n",
}
LEFT_TO_THE_PARSER = {
    "block scalar": "a: |\n  $values.name\n",
    "folded over lines": "a: b\n  $values.name\n",
    "flow": "a: [$values.name]\n",
    "anchor": "a: &x $values.name\n",
    "tag": "a: !!str $values.name\n",
    "tab": "a:\t$values.name\n",
    "escape": 'a: "\\t"\n',
    "key with blanks": "a b: c\n",
    "dash alone": "a:\n-\n  b: c\n",
    "odd indentation": "a:\n  b: c\n d: e\n",
    "map and list mixed": "a: b\n- c\n",
    "scalar document": "just text\n",
    "deeper behind a scalar": "a: b\n  c: d\n",
    "quote that does not end": 'a: "b\n',
    "no-break space": "a:\u00a0b\n",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME.keys())
def test_same_tree(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_quick(text)
    assert compiled(text) == with_parser(text, monkeypatch)


@pytest.mark.parametrize("text", LEFT_TO_THE_PARSER.values(), ids=LEFT_TO_THE_PARSER.keys())
def test_what_is_left_to_the_parser(text: str) -> None:
    assert not is_quick(text)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").rglob("bob.yaml")), ids=lambda path: path.parent.name
)
def test_examples(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")
    assert compiled(text) == with_parser(text, monkeypatch)


LINE = st.tuples(
    st.integers(0, 4),
    st.sampled_from(["", "- ", "- - ", "-  "]),
    st.sampled_from(["", "a: ", "b:", "c-d: ", "args:"]),
    st.sampled_from(
        [
            "",
            "x",
            "$values.name",
            '"$values.name y"',
            "'$values.port'",
            "$values.NAMES",
            "[]",
            "{}",
            "-1",
            "a:b",
            "#c",
        ]
    ),
).map(lambda parts: "  " * parts[0] + "".join(parts[1:]).rstrip())


@given(st.lists(LINE | st.sampled_from(["---", "# note", ""]), max_size=12).map("\n".join))
def test_what_is_quick_is_yaml_and_gives_the_same_tree(text: str) -> None:
    if not is_quick(text):
        return
    list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    with pytest.MonkeyPatch.context() as patch:
        assert compiled(text) == with_parser(text, patch)


def test_real_profiles(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((shared_data / "profiles").rglob("*.yaml"))
    assert files
    taken = 0
    for file in files:
        text = file.read_text(encoding="utf-8")[:60_000].rpartition("\n")[0] + "\n"
        marked = re.sub(r"(?m)^( *- )[/a-z0-9.-]+$", r"\1$values.NAMES", text, count=40)
        marked = re.sub(r"(?m)(: )[a-zA-Z0-9/.-]+$", r"\1$values.name", marked, count=40)
        taken += is_quick(marked)
        assert compiled(marked) == with_parser(marked, monkeypatch), file.name
    assert taken > len(files) // 2
