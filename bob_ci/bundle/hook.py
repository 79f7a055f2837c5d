"""The test workload as `helm test`: `helm.sh/hook: test` on each object (helm.sh/docs, Chart Tests)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from bob_ci.errors import InputError
from bob_ci.template.assemble import Edit
from bob_ci.template.outline import compose
from bob_ci.template.scan import Skeleton
from bob_ci.template.tree import Verbatim

HOOK = '"helm.sh/hook": test'


def hook_edits(skeleton: Skeleton, file: str) -> Iterator[Edit]:
    """The hook's annotation for every object that has no hook yet.

    Raises:
        InputError: the text is not YAML; an object has no metadata, or annotations that are there only for
            some values.
    """
    hooks = _Hooks(skeleton, file)
    for root in compose(skeleton.text, file):
        if isinstance(root, yaml.MappingNode) or root.value:
            yield from hooks.of_object(root)


class _Hooks:
    def __init__(self, skeleton: Skeleton, file: str) -> None:
        self.skeleton = skeleton
        self.text = skeleton.text
        self.file = file

    def of_object(self, root: yaml.Node) -> Iterator[Edit]:
        found = list(_entries(root, "metadata"))
        if not found:
            raise self._error("an object of the test has no metadata", root)
        for key, metadata in found:
            if not isinstance(metadata, yaml.MappingNode) or not metadata.value:
                raise self._error("an object of the test has no metadata", key)
            yield from self._of_metadata(key, metadata)

    def _of_metadata(self, key: yaml.Node, metadata: yaml.MappingNode) -> Iterator[Edit]:
        found = list(_entries(metadata, "annotations"))
        if not found:
            yield self._first_entry(key, metadata, f"annotations: {{{HOOK}}}")
        for name, known in found:
            if any(_entries(known, "helm.sh/hook")):
                continue
            if not self._in_one_block(key.start_mark.line, name.start_mark.line):
                raise self._error("annotations of a test stand in no block of their own", name)
            yield self._first_entry(name, known, HOOK)

    def _first_entry(self, key: yaml.Node, value: yaml.Node, entry: str) -> Edit:
        """An entry before the others: on a line of its own in a block, behind the brace in `{…}`."""
        if isinstance(value, yaml.MappingNode) and value.flow_style:
            index = self.text.index("{", value.start_mark.index) + 1
            return self._insertion(index, entry + (", " if value.value else ""), key)
        if isinstance(value, yaml.MappingNode):
            column = value.value[0][0].start_mark.column
        elif not value.value:
            column = key.start_mark.column + 2
        else:
            raise self._error("annotations must be a map that is written out", key)
        line_end = self.text.index("\n", key.end_mark.index)
        ending = "\r\n" if self.text[line_end - 1] == "\r" else "\n"
        return self._insertion(line_end + 1 - len(ending), f"{ending}{' ' * column}{entry}", key)

    @staticmethod
    def _insertion(index: int, text: str, key: yaml.Node) -> Edit:
        return Edit(index, index, (Verbatim(text, key.start_mark.line + 1),))

    def _in_one_block(self, first: int, last: int) -> bool:
        """Whether no tag between two lines makes the second depend on anything that the first does not."""
        depth = 0
        for tag in self.skeleton.tags:
            if first < tag.line < last:
                word = tag.words.split()[0]
                depth += word in ("for", "if")
                if not depth:
                    return False
                depth -= word in ("endfor", "endif")
        return depth == 0

    def _error(self, message: str, node: yaml.Node) -> InputError:
        return InputError(message, file=self.file, line=node.start_mark.line + 1)


def _entries(node: Any, key: str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((name, value) for name, value in node.value if name.value == key)
