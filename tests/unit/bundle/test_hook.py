"""The test workload: every object of it carries `helm.sh/hook: test`, for any values."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bob_ci.bundle.hook import hook_edits
from bob_ci.errors import InputError
from bob_ci.template.compiler import compile_template
from bob_ci.template.evaluate import evaluate

VALUES: dict[str, Any] = {"a": "x", "no": "n", "L": ["1", "2"], "NONE": []}
HEAD = "kind: Pod\n"
CASES = {
    "block": HEAD + "metadata:\n  name: p\n",
    "block with a comment": HEAD + "metadata:  # of the pod\n  # name\n  name: $values.a\n",
    "wide": HEAD + "metadata:\n      name: p\nspec: {}\n",
    "flow": HEAD + 'metadata: {name: "$values.a"}\n',
    "all in flow": '{kind: "{{ values.a }}", metadata: {name: p}}\n',
    "annotations": HEAD + "metadata:\n  annotations:\n    a: b\n  name: p\n",
    "annotations in flow": HEAD + "metadata:\n  annotations: { a: b }\n  name: p\n",
    "annotations, empty": HEAD + "metadata:\n  annotations: {}\n  name: p\n",
    "annotations, null": HEAD + "metadata:\n  annotations:\n  name: p\n",
    "annotations, null at the end": HEAD + "metadata:\n  name: p\n  annotations:",
    "annotations that may be none": HEAD
    + "metadata:\n  annotations:\n{% for x in values.NONE %}\n    k{{ x }}: v\n{% endfor %}\n  name: p\n",
    "a key under a condition": HEAD
    + "metadata:\n{% if values.NONE %}\n  labels: {a: b}\n{% endif %}\n  name: p\n",
    "a loop first": HEAD + "metadata:\n{% for x in values.L %}\n  k{{ x }}: v\n{% endfor %}\n  name: p\n",
    "two branches": "{% if values.NONE %}\nkind: A\nmetadata:\n  name: a\n{% else %}\nkind: B\nmetadata:\n"
    "  annotations:\n    a: b\n  name: b\n{% endif %}\n",
    "several documents": f"# comment\n---\n{HEAD}metadata:\n  name: p\n---\n---\n# empty\n---\n"
    f"{HEAD}metadata: {{name: q}}\n",
    "documents in a loop": "{% for x in values.L %}\n---\nmetadata:\n  name: p{{ x }}\n{% endfor %}\n",
    "windows": (HEAD + "metadata:\n  name: $values.a\n  annotations:\n    a: b\n").replace("\n", "\r\n"),
    "no final line break": HEAD + "metadata:\n  name: p",
    "a hook of its own": HEAD + "metadata:\n  name: p\n  annotations:\n    'helm.sh/hook': test\n",
}


def rendered(text: str) -> str:
    template = compile_template(text, "t", VALUES, lambda _: None, lambda found: hook_edits(found, "t"))
    return "".join(piece.text for piece in evaluate(template, VALUES))


@pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
def test_every_object_has_the_hook(text: str) -> None:
    found = [each for each in yaml.safe_load_all(rendered(text)) if each is not None]
    without = compile_template(text, "t", VALUES, lambda _: None)
    plain = yaml.safe_load_all("".join(piece.text for piece in evaluate(without, VALUES)))
    for one, before in zip(found, [each for each in plain if each is not None], strict=True):
        assert one["metadata"]["annotations"].pop("helm.sh/hook") == "test"
        annotations = before["metadata"].pop("annotations", None) or {}
        annotations.pop("helm.sh/hook", None)
        assert one["metadata"].pop("annotations") == annotations
        assert one == before


def test_text_is_kept() -> None:
    text = CASES["block with a comment"]
    assert rendered(text) == (
        'kind: Pod\nmetadata:  # of the pod\n  annotations: {"helm.sh/hook": test}\n  # name\n  name: x\n'
    )
    assert "\n" not in rendered(CASES["windows"]).replace("\r\n", "")
    assert rendered(CASES["a hook of its own"]) == CASES["a hook of its own"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "t:1: an object of the test has no metadata"),
        ("# c\n\n- a\n", "t:3: an object of the test has no metadata"),
        ("metadata:\nkind: x\n", "t:1: an object of the test has no metadata"),
        ("metadata: {}\n", "t:1: an object of the test has no metadata"),
        ("metadata: $values.a\n", "t:1: an object of the test has no metadata"),
        (
            "a: 1\nmetadata:\n  annotations: x\n  name: y\n",
            "t:3: annotations must be a map that is written out",
        ),
        ("metadata:\n  annotations: {{ values.a | to_yaml }}\n", "t:2: annotations must be a map"),
        (
            "metadata:\n  name: x\n{% if values.NONE %}\n  annotations: {a: b}\n{% endif %}\n",
            "t:4: annotations of a test stand in no block of their own",
        ),
        ("a: 1\nmetadata:\n  name: $values.none\n", "t:3: $values.none: no such value is given"),
        ("metadata: [\n", "t:2: not YAML"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        rendered(text)
    assert str(caught.value).startswith(message)
