"""The test workload as `helm test`: `helm.sh/hook: test` on each of its objects (helm.sh/docs, Chart Tests)."""

from __future__ import annotations

from typing import Any

import yaml

from bob_ci.errors import InputError
from bob_ci.template.outline import compose
from bob_ci.template.scan import has_placeholders, scan

HOOK = '"helm.sh/hook": test'


def with_test_hook(source: str, file: str) -> str:
    """The same text with the hook's annotation in every document that has no hook yet.

    Raises:
        InputError: the text is not YAML, or an object has no metadata.
    """
    skeleton = scan(source, file).text if has_placeholders(source) else source
    lines = source.splitlines(keepends=True)
    for root in reversed(compose(skeleton, file)):
        _annotate(root, lines, file)
    return "".join(lines)


def _annotate(root: yaml.Node, lines: list[str], file: str) -> None:
    metadata = _entry(root, "metadata")
    if metadata is None or not isinstance(metadata[1], yaml.MappingNode) or not metadata[1].value:
        raise InputError("an object of the test has no metadata", file=file, line=root.start_mark.line + 1)
    annotations = _entry(metadata[1], "annotations")
    if annotations is not None and _entry(annotations[1], "helm.sh/hook") is not None:
        return
    if annotations is None:
        _insert_into(metadata[0], metadata[1], lines, f"annotations: {{{HOOK}}}")
    else:
        _insert_into(annotations[0], annotations[1], lines, HOOK)


def _entry(node: Any, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((name, value) for name, value in node.value if name.value == key), None)


def _insert_into(key: yaml.Node, value: yaml.Node, lines: list[str], entry: str) -> None:
    """A first entry of a map: on a line of its own in a block, behind the brace in `{…}`."""
    line = value.start_mark.line
    ending = "\r\n" if lines[key.start_mark.line].endswith("\r\n") else "\n"
    if isinstance(value, yaml.MappingNode) and not value.flow_style:
        first = value.value[0][0].start_mark
        lines.insert(first.line, " " * first.column + entry + ending)
    elif isinstance(value, yaml.MappingNode):
        before, brace, behind = lines[line].partition("{")
        separator = ", " if value.value else ""
        lines[line] = f"{before}{brace}{entry}{separator}{behind.lstrip()}"
    else:
        column = key.start_mark.column
        lines.insert(key.start_mark.line + 1, " " * (column + 2) + entry + ending)
