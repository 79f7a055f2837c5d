"""A file as a stream of documents, where Helm and YAML disagree.

Helm splits the rendered text at line breaks followed by `---`, trims blanks off every part, and parses then
(helm.sh/helm pkg/release/util, SplitManifests). What that would change is refused here.
"""

from __future__ import annotations

import re
from itertools import pairwise

import yaml

from bob_ci.template.expression import Scope

_MARKERS = re.compile(r"^(?:--(?!-(?:\s|\Z))|\.\.\.(?=\s|\Z)|%)[^\r\n]*", re.MULTILINE)
_BEGINNING = re.compile(r"(?:\A|^---(?=\s))\s*", re.MULTILINE)
_BOUNDARY = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)
_KEEPS = re.compile(r"(?:[:?-][ \t]+|^)(?:[&!]\S*[ \t]+)*[|>](?:\+[1-9]?|[1-9]\+)[ \t]*(?:[ \t]#.*)?\r?\Z")
_ANCHOR = re.compile(r"(?:^|[\s,\[{])&[^\s&]", re.MULTILINE)
_LINE_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")


def check_stream(text: str, scope: Scope) -> None:
    """Refuse documents that Helm would split, trim or read in another way.

    Raises:
        InputError: `...`, `%YAML`, text that begins like `---`, an indented document, blank lines that a
            block scalar at a document's end keeps.
    """
    for match in _MARKERS.finditer(text):
        raise _at(scope, text, match.start()).error(f"{match.group()}: Helm takes it for a document's end")
    for match in _BEGINNING.finditer(text):
        column = match.end() - text.rfind("\n", 0, match.end()) - 1
        on_marker = "\n" not in match.group() and match.group().startswith("---")
        if column and not on_marker and text[match.end() : match.end() + 1] not in ("#", ""):
            raise _at(scope, text, match.end()).error("a document begins in the first column")
    bounds = [0, *(match.start() for match in _BOUNDARY.finditer(text)), len(text)]
    for start, end in pairwise(bounds):
        _refuse_kept_lines(text, start, end, scope)


def check_structure(text: str, scope: Scope) -> None:
    """Refuse what hides a templated file's structure: aliases, and line breaks that only YAML 1.1 knows.

    Raises:
        InputError: with the line.
    """
    odd = _LINE_BREAKS.search(text)
    if odd is not None:
        raise _at(scope, text, odd.start()).error(
            f"U+{ord(odd.group()):04X}: not a line break to every reader; write it as an escape in double quotes"
        )
    if _ANCHOR.search(text) is None:
        return
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        alias = next((each for each in yaml.parse(text, loader) if isinstance(each, yaml.AliasEvent)), None)
    except yaml.YAMLError:
        return  # the outline says it better
    if alias is not None:
        raise scope.at(alias.start_mark.line + 1).error(
            f"*{alias.anchor}: an alias in a file with placeholders", hint="write the value out"
        )


def _refuse_kept_lines(text: str, start: int, end: int, scope: Scope) -> None:
    """Helm cuts the blank lines at a document's end, `|+` keeps them."""
    document = text[start:end]
    content = document.rstrip()
    if document.count("\n", len(content)) < 2:  # noqa: PLR2004 -- the last line's own end, and one more
        return
    lines = content.split("\n")
    depth = _indent(lines[-1])
    for number in range(len(lines) - 2, -1, -1):
        if lines[number].strip() and _indent(lines[number]) < depth:
            depth = _indent(lines[number])
            if _KEEPS.search(lines[number]):
                raise scope.at(text.count("\n", 0, start) + number + 1).error(
                    "`+` keeps blank lines at the end of a document, where Helm cuts them"
                )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _at(scope: Scope, text: str, index: int) -> Scope:
    return scope.at(text.count("\n", 0, index) + 1)
