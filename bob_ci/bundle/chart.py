"""The mini Helm chart of a bundle (FORMAT.md 4): nothing in it but what the bundle says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bob_ci.bundle.manifest import Manifest
from bob_ci.bundle.schema import values_schema
from bob_ci.bundle.values import Path, Values
from bob_ci.bundle.view import View
from bob_ci.template import patterns
from bob_ci.template.filters import quote
from bob_ci.template.gotemplate import helpers, to_go_template

_TEMPLATES = {
    "profiles": "templates/bob.yaml",
    "deployment": "templates/deployment.yaml",
    "test": "templates/tests/bob.test.yaml",
}


def chart_files(view: View, manifest: Manifest, name: str) -> dict[str, bytes]:
    """All files of the chart, by name.

    Args:
        view: the bundle, for one platform.
        manifest: what the author says of it.
        name: the chart's name (see `chart_name`).
    """
    texts = {
        "Chart.yaml": _chart_yaml(manifest, name),
        "values.yaml": "".join(_values_yaml(view.values)),
        "templates/_helpers.tpl": helpers(),
        "templates/NOTES.txt": _notes(name, has_test="test" in view.templates),
    }
    for role, template in view.templates.items():
        texts[_TEMPLATES[role]] = to_go_template(template)
    files = {file: text.encode() for file, text in texts.items()}
    return {**files, "values.schema.json": values_schema(view.values.data, view.uses)}


def _chart_yaml(manifest: Manifest, name: str) -> str:
    description = manifest.description or f"Bill of Behavior of {name}"
    lines = {
        "apiVersion": "v2",
        "name": quote(name),
        "description": quote(description),
        "type": "application",
        "version": quote(manifest.version or "0.0.0"),
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def _notes(name: str, *, has_test: bool) -> str:
    lines = [
        f"The Bill of Behavior of {name} is installed as release {{{{ .Release.Name }}}}.",
        "Its values are strings: change them with --set-string bob.KEY=VALUE.",
    ]
    if has_test:
        lines.append(
            "Try the workload under it: helm test {{ .Release.Name }} --namespace {{ .Release.Namespace }}"
        )
    return "\n".join(lines) + "\n"


# values.yaml


def _values_yaml(values: Values) -> Iterator[str]:
    """The values under `bob:`, every scalar quoted: Helm would read 67965968 as a float."""
    if not values.data:
        yield "bob: {}\n"
        return
    yield "bob:\n"
    yield from _map(values.data, (), values, 1)
    yield from _comment(values.comments.get((), ()), 1)


def _map(data: Mapping[str, Any], path: Path, values: Values, depth: int) -> Iterator[str]:
    for key, value in data.items():
        yield from _comment(values.comments.get((*path, key), ()), depth)
        yield from _entry("  " * depth + f"{_key(key)}:", value, (*path, key), values, depth)


def _list(data: Sequence[Any], path: Path, values: Values, depth: int) -> Iterator[str]:
    for item in data:
        yield from _entry("  " * depth + "-", item, (*path, "[]"), values, depth)


def _entry(lead: str, value: object, path: Path, values: Values, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"{lead}\n" if value else f"{lead} {{}}\n"
        yield from _map(value, path, values, depth + 1)
    elif isinstance(value, list):
        yield f"{lead}\n" if value else f"{lead} []\n"
        yield from _list(value, path, values, depth + 1)
    else:
        yield f"{lead} {quote(str(value))}\n"


def _key(key: str) -> str:
    # YAML 1.1 reads `y`, `on`, `no` as booleans, keys too.
    return quote(key) if key.lower() in ("y", "n", "yes", "no", "on", "off", "true", "false", "null") else key


def _comment(lines: Sequence[str], depth: int) -> Iterator[str]:
    for line in lines:
        if patterns.is_text(line):  # what is no text to YAML cannot stand in a comment either
            yield "  " * depth + line + "\n"
