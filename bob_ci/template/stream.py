"""A file as a stream of documents, where Helm and YAML disagree.

Helm splits the rendered text at line breaks followed by `---`, trims blanks off every part, and parses then
(helm.sh/helm pkg/release/util, SplitManifests). What that would change is refused here.
"""

from __future__ import annotations

import re

import yaml

from bob_ci.template.expression import Scope
from bob_ci.template.filters import NO_VALUE
from bob_ci.yaml_source import SAFE_LOADER

_MARKERS = re.compile(r"^(?:--(?!-(?:\s|\Z))|\.\.\.(?=\s|\Z)|%)[^\r\n]*", re.MULTILINE)
# With their first characters fixed, so that the search is quick.
_FIRST_BEGINNING = re.compile(r"(?:---(?=\s))?\s*")
_BEGINNING = re.compile(r"\n---(?=\s)\s*")
_ANCHOR = re.compile(r"(?:^|[\s,\[{])&[^\s&]", re.MULTILINE)
_LINE_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")


def check_stream(text: str, scope: Scope) -> None:
    """Refuse documents that Helm would split, trim or read in another way.

    Raises:
        InputError: `...`, `%YAML`, text that begins like `---`, an indented document, `<no value>`.
    """
    marker = _MARKERS.search(text)
    if marker is not None:
        raise _at(scope, text, marker.start()).error(
            f"{marker.group()}: Helm would split the file here",
            hint="documents are separated by `---` alone, keys do not begin with `--`",
        )
    deleted = text.find(NO_VALUE)
    if deleted >= 0:
        raise _at(scope, text, deleted).error(
            f"{NO_VALUE}: Helm deletes this text", hint=f'write it in double quotes, "\\x3c{NO_VALUE[1:]}"'
        )
    for match in (_FIRST_BEGINNING.match(text), *_BEGINNING.finditer(text)):
        if match is not None:
            _check_beginning(match, scope)


def _check_beginning(match: re.Match[str], scope: Scope) -> None:
    text = match.string
    line_start = text.rfind("\n", 0, match.end()) + 1
    indented = not text[line_start : match.end()].strip() and match.end() > line_start
    if indented and text[match.end() : match.end() + 1] not in ("#", ""):
        raise _at(scope, text, match.end()).error("a document begins in the first column")


def check_structure(text: str, scope: Scope) -> None:
    """Refuse what hides a templated file's structure: aliases, and line breaks that only YAML 1.1 knows.

    Raises:
        InputError: with the line.
    """
    odd = _LINE_BREAKS.search(text)
    if odd is not None:
        raise _at(scope, text, odd.start()).error(
            f"U+{ord(odd.group()):04X}: a line break to some readers alone",
            hint=f'write it as an escape in double quotes, "\\u{ord(odd.group()):04x}"',
        )
    if "&" not in text or _ANCHOR.search(text) is None:
        return
    try:
        alias = next(
            (each for each in yaml.parse(text, SAFE_LOADER) if isinstance(each, yaml.AliasEvent)), None
        )
    except yaml.YAMLError:
        return  # the outline says it better
    if alias is not None:
        line = alias.start_mark.line + 1 if alias.start_mark else 1
        raise scope.at(line).error(
            f"*{alias.anchor}: an alias in a file with placeholders", hint="write the value out"
        )


def _at(scope: Scope, text: str, index: int) -> Scope:
    return scope.at(text.count("\n", 0, index) + 1)
