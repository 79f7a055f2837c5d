"""All rules over a bundle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import yaml

from bob_ci.bundle.render import Rendered, RenderedFile
from bob_ci.bundle.source import Bundle
from bob_ci.lint import bundle as bundle_rules
from bob_ci.lint import schema, text
from bob_ci.lint.document import Document, documents
from bob_ci.lint.finding import Finding
from bob_ci.lint.rule import Rule


def lint(bundle: Bundle, rendered: Iterable[Rendered]) -> list[Finding]:
    """The findings about a bundle and what it renders to for each platform: sorted, each fault once.

    What a loop repeats is one fault of the template, and so is what several platforms have.

    Raises:
        InputError: what is rendered is no YAML.
    """
    found = {finding for rule in bundle_rules.BUNDLE_RULES for finding in rule.findings(bundle)}
    for one in rendered:
        found.update(finding for rule in bundle_rules.VIEW_RULES for finding in rule.findings(one.view))
        for role, file in one.files.items():
            found.update(finding for rule in text.FILE_RULES for finding in rule.findings(file))
            found.update(_documents(file, schema.RULES if role == "profiles" else ()))
        if "profiles" in one.files:
            found.update(schema.no_profile.findings(one))
    once: dict[tuple[object, ...], Finding] = {}
    for finding in sorted(found):
        message = _POSITION.sub("", finding.message)
        once.setdefault((finding.file, finding.line, finding.column, finding.code, message), finding)
    return list(once.values())


_POSITION = re.compile(r"\[\d+\]")


def _documents(file: RenderedFile, rules: Iterable[Rule[Document]]) -> Iterator[Finding]:
    lines = file.source_lines()

    def line_of(node: yaml.Node) -> int:
        line = node.start_mark.line if node.start_mark else 0
        return lines[min(line, len(lines) - 1)] if lines else 1

    for document in documents(file.text, file.source, line_of):
        for rule in (*text.DOCUMENT_RULES, *rules):
            yield from rule.findings(document)
