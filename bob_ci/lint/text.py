"""BOB1xx: what a rendered file holds as text (PROFILES.md, File and YAML)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from bob_ci.bundle.render import RenderedFile
from bob_ci.lint.document import Document
from bob_ci.lint.finding import Severity
from bob_ci.lint.rule import Fault, Rule, rule

# What people write when they mean a placeholder and miss. `{{ … }}` of other programs is text (FORMAT.md 3).
_MISSED = re.compile(r"\$\{?\s*[vV]alues?\b|\{\{-?\s*\.Values\b")


@rule("BOB110", "placeholder-left", Severity.WARNING)
def placeholder_left(file: RenderedFile) -> Iterator[Fault]:
    """A misspelt placeholder is text: it reaches the cluster as it is."""
    lines = file.source_lines()
    for number, line in enumerate(file.text.split("\n")):
        found = _MISSED.search(line)
        if found is not None and not re.search(r"(?:^|\s)#", line[: found.start()]):
            message = (
                f"`{line[found.start() :].split()[0]}` looks like a placeholder and is none: `$values.NAME`"
            )
            yield Fault(file.source, lines[number], message, found.start() + 1)


@rule("BOB102", "yaml-duplicate-key", Severity.ERROR)
def yaml_duplicate_key(found: Document) -> Iterator[Fault]:
    """Most readers keep the last of two values, without a word."""
    stack: list[yaml.Node] = [found.root]
    visited: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) in visited:  # an alias
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            seen: set[object] = set()
            for key, value in node.value:
                stack.append(value)
                if not isinstance(key, yaml.ScalarNode):
                    continue
                if key.value in seen:
                    message = f"{key.value}: the key stands in this map twice"
                    yield Fault(found.file, found.line_of(key), message, found.column_of(key))
                seen.add(key.value)


FILE_RULES: tuple[Rule[RenderedFile], ...] = (placeholder_left,)
DOCUMENT_RULES: tuple[Rule[Document], ...] = (yaml_duplicate_key,)
