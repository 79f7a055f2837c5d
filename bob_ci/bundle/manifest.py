"""`manifest.yaml`: what the author says of the bundle (FORMAT.md 1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bob_ci import yaml_source
from bob_ci.errors import InputError
from bob_ci.oci.platform import Platform
from bob_ci.template import patterns

API_VERSION = "k8sstormcenter.io/v1alpha1"
KIND = "BoBManifest"

_SCALARS = ("name", "version", "description", "author", "licenses")
_LISTS = ("images", "platforms", "files")
# Helm's rule for a chart's name, and Semantic Versioning 2.0.0 for its version.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,51}[a-z0-9])?")
_NUMBER = r"(?:0|[1-9]\d*)"
_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


@dataclass(frozen=True)
class Manifest:
    """The `spec` of a BoBManifest; empty where the bundle has none."""

    name: str = ""
    version: str = ""
    description: str = ""
    author: str = ""
    licenses: str = ""
    images: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    files: tuple[str, ...] = ()


def read(text: str, file: str) -> Manifest:
    """Read a manifest.

    Raises:
        InputError: with file and line: an unknown key, a wrong type, a name or version that Helm refuses.
    """
    root = yaml_source.read(text, file)
    top = _map(root, "the manifest", file)
    _only(top, ("apiVersion", "kind", "spec"), file)
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if key not in top or top[key].value != wanted:
            raise InputError(f"{key}: must be {wanted}", file=file, line=top[key].line if key in top else 1)
    spec = _map(top.get("spec"), "spec", file)
    _only(spec, (*_SCALARS, *_LISTS), file)
    scalars = {key: _scalar(key, spec[key], file) for key in _SCALARS if key in spec}
    lists = {key: _list(key, spec[key], file) for key in _LISTS if key in spec}
    _check(spec, scalars, file)
    platforms = tuple(_platform(item, file) for item in lists.get("platforms", ()))
    return Manifest(
        **scalars,
        images=tuple(_text("images", item, file) for item in lists.get("images", ())),
        files=tuple(_text("files", item, file) for item in lists.get("files", ())),
        platforms=platforms,
    )


def _map(node: yaml_source.Located | None, name: str, file: str) -> dict[str, yaml_source.Located]:
    if node is None or not isinstance(node.value, dict):
        raise InputError(f"{name}: must be a map", file=file, line=node.line if node else 1)
    return node.value


def _only(pairs: dict[str, yaml_source.Located], known: tuple[str, ...], file: str) -> None:
    for key, node in pairs.items():
        if key not in known:
            raise InputError(
                f"{key}: no such key", file=file, line=node.line, hint="known keys are " + ", ".join(known)
            )


def _scalar(key: str, node: yaml_source.Located, file: str) -> str:
    return _text(key, node, file)


def _text(key: str, node: yaml_source.Located, file: str) -> str:
    if not isinstance(node.value, str):
        raise InputError(f"{key}: must be a string", file=file, line=node.line)
    if not patterns.is_text(node.value):
        raise InputError(f"{key}: holds a control character", file=file, line=node.line)
    return node.value.strip()


def _list(key: str, node: yaml_source.Located, file: str) -> list[yaml_source.Located]:
    if not isinstance(node.value, list):
        raise InputError(f"{key}: must be a list", file=file, line=node.line)
    return node.value


def _platform(node: yaml_source.Located, file: str) -> Platform:
    try:
        return Platform.parse(_text("platforms", node, file))
    except InputError as error:
        raise InputError(str(error), file=file, line=node.line, hint=error.hint) from None


def _check(spec: dict[str, yaml_source.Located], scalars: dict[str, str], file: str) -> None:
    name, version = scalars.get("name"), scalars.get("version")
    if name is not None and not _NAME.fullmatch(name):
        raise InputError(
            f"name: {name!r} is no chart name: lower-case letters, digits and `-`, at most 53",
            file=file,
            line=spec["name"].line,
        )
    if version is not None and not _VERSION.fullmatch(version):
        raise InputError(
            f"version: {version!r} is no semantic version like 1.2.3", file=file, line=spec["version"].line
        )
