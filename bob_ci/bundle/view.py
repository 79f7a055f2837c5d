"""A bundle as one platform sees it: its overlay applied, values merged, templates compiled and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bob_ci.bundle import values as bundle_values
from bob_ci.bundle.hook import hook_edits
from bob_ci.bundle.source import MAX_FILE_BYTES, Bundle, Kind, text
from bob_ci.bundle.values import Values
from bob_ci.errors import InputError
from bob_ci.oci.platform import DEFAULT_PLATFORM, Platform
from bob_ci.profile.schema import KindFields, fields_of
from bob_ci.template import patterns
from bob_ci.template.compiler import compile_template
from bob_ci.template.filters import Kind as ValueKind
from bob_ci.template.outline import Document
from bob_ci.template.tree import Template
from bob_ci.template.uses import ITEM, Use, kind_name, uses


@dataclass(frozen=True)
class Overrides:
    """What the caller gives over the bundle's own values: `--values` files, then `--set` assignments."""

    files: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """A bundle for one platform.

    Attributes:
        platform: which.
        values: all values, merged.
        templates: compiled, by role: `profiles`, `deployment`, `test`.
        uses: what the templates ask of the values.
    """

    platform: Platform
    values: Values
    templates: Mapping[str, Template]
    uses: tuple[Use, ...] = field(repr=False)


def platforms_of(bundle: Bundle, asked: Sequence[Platform] = ()) -> tuple[Platform, ...]:
    """Which platforms a bundle has: the asked, the manifest's, the overlays', the profiles' architectures.

    The first of these that names any decides (FORMAT.md 1); at last linux/amd64.
    """
    candidates = (
        tuple(asked),
        bundle.manifest.platforms,
        tuple(Platform.parse_folder(folder) for folder in bundle.overlay_folders()),
        tuple(architectures(bundle)),
        (DEFAULT_PLATFORM,),
    )
    return tuple(sorted(set(next(found for found in candidates if found))))


def one_platform(bundle: Bundle, asked: Platform | None) -> Platform:
    """The platform of commands that show one: the asked, else linux/amd64 if it is there, else the first."""
    if asked is not None:
        return asked
    there = platforms_of(bundle)
    return DEFAULT_PLATFORM if DEFAULT_PLATFORM in there else there[0]


def view(bundle: Bundle, platform: Platform, overrides: Overrides | None = None) -> View:
    """Merge, compile, check.

    Raises:
        InputError: with file and line.
    """
    overrides = overrides or Overrides()
    folder = bundle.overlay(platform)
    own = _own_values(bundle, folder)
    values = _overridden(own, overrides)
    templates = {
        role: template
        for role in ("profiles", "deployment", "test")
        if (template := _template(bundle, folder, role, values)) is not None
    }
    asked = tuple(use for template in templates.values() for use in uses(template))
    _refuse_unknown(overrides.assignments, own, asked)
    check(values, asked)
    return View(platform, values, templates, asked)


def _template(bundle: Bundle, folder: str, role: str, values: Values) -> Template | None:
    part = (folder and bundle.part(role, folder)) or bundle.part(role)
    if not part:
        return None
    name, data = part
    file = bundle.where(name)
    source = text(data, file)
    if role == "test":
        return compile_template(source, file, values.data, _fields_of, lambda found: hook_edits(found, file))
    if role == "profiles":
        return compile_template(source, file, values.data, lambda found: _fields_of_profile(found, file))
    return compile_template(source, file, values.data, _fields_of)


def _fields_of(document: Document) -> KindFields | None:
    return fields_of(document.api_version, document.kind)


def _fields_of_profile(document: Document, file: str) -> KindFields | None:
    """The same for `bob.yaml`, where a profile must be known for one before it is rendered."""
    if document.kind.endswith("List"):
        raise InputError(
            f"{document.kind}: a list of profiles with placeholders",
            file=file,
            hint="write them as documents, separated by `---`",
        )
    if not (document.api_version + document.kind).isascii():
        raise InputError("a placeholder in apiVersion or kind of a profile", file=file)
    return _fields_of(document)


# values


def _own_values(bundle: Bundle, folder: str) -> Values:
    """The bundle's values, its overlay's over them."""
    own = _both_files(bundle, "")
    return _both_files(bundle, folder).over(own) if folder else own


def _overridden(own: Values, overrides: Overrides) -> Values:
    merged = own
    for file in overrides.files:
        merged = _given_file(file).over(merged)
    return bundle_values.read_set(overrides.assignments, merged).over(merged)


def _refuse_unknown(assignments: Sequence[str], own: Values, asked: Sequence[Use]) -> None:
    """A `--set` that changes nothing is a slip of the pen; the chart's schema refuses it too."""
    known = {use.path[0] for use in asked} | set(own.data)
    for assignment in assignments:
        name = assignment.partition("=")[0].strip().partition(".")[0]
        if name not in known:
            raise InputError(
                f"--set {assignment}: the bundle has no value {name}",
                hint=f"its values are {', '.join(sorted(known))}" if known else None,
            )


def _both_files(bundle: Bundle, folder: str) -> Values:
    lines = _read(bundle, "values", folder, bundle_values.read_lines)
    yaml = _read(bundle, "values-yaml", folder, bundle_values.read_yaml)
    for key in yaml.data:
        if key in lines.data:
            place, other = yaml.place((key,)), lines.place((key,))
            raise InputError(
                f"{key}: given in {other} too",
                file=place.file if place else None,
                line=place.line if place else None,
            )
    return yaml.over(lines)


def _read(bundle: Bundle, role: str, folder: str, reader: Any) -> Values:
    part = bundle.part(role, folder)
    if part is None:
        return Values()
    file = bundle.where(part[0])
    found: Values = reader(text(part[1], file), file)
    return found


def _given_file(path: Path) -> Values:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES // 2**20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    content = text(data, str(path))
    if path.suffix in (".yaml", ".yml", ".json"):
        return bundle_values.read_yaml(content, str(path))
    return bundle_values.read_lines(content, str(path))


def check(values: Values, asked: Sequence[Use]) -> None:
    """Hold every value against what the templates ask of it, as the chart's schema does.

    Raises:
        InputError: a value is missing (at the template's line) or does not fit (at its own place).
    """
    for use in asked:
        for path, value in _at(values.data, use.path, use):
            _fits(value, path, use, values)


def _at(data: object, path: tuple[str, ...], use: Use) -> Iterator[tuple[tuple[str, ...], object]]:
    found: list[tuple[tuple[str, ...], object]] = [((), data)]
    for key in path:
        following: list[tuple[tuple[str, ...], object]] = []
        for here, value in found:
            if key == ITEM and isinstance(value, list):
                following.extend(((*here, ITEM), item) for item in value)
            elif isinstance(value, Mapping) and key in value:
                following.append(((*here, key), value[key]))
            elif isinstance(value, Mapping) and not use.required:
                continue
            elif isinstance(value, Mapping):
                name = _dotted((*here, key))
                raise InputError(
                    f"{name}: no such value is given",
                    file=use.file,
                    line=use.line,
                    hint="give it in bob.values, with --values or with --set",
                )
            elif key != ITEM:
                raise InputError(
                    f"{'.'.join((*here, key))}: `{key}` of a {kind_name(value)}",
                    file=use.file,
                    line=use.line,
                )
        found = following
    yield from found


def _dotted(path: tuple[str, ...]) -> str:
    """A value's name as people write it; of a list's element the list's."""
    return ".".join(key for key in path if key != ITEM)


_KINDS = {ValueKind.STRING: str, ValueKind.LIST: list}


def _fits(value: object, path: tuple[str, ...], use: Use, values: Values) -> None:
    name = _dotted(path)
    place = values.place(path)
    wanted = _KINDS.get(use.kind)
    if wanted is not None and not isinstance(value, wanted):
        due = "scalar" if wanted is str else "list"
        raise InputError(
            f"{name}: a {kind_name(value)} where a {due} is due",
            file=use.file,
            line=use.line,
            hint=f'to ask for its value: `{{% if values.{name} == "…" %}}`' if due == "list" else None,
        )
    if use.pattern is not None and isinstance(value, str) and not patterns.matches(use.pattern, value):
        raise InputError(
            f"{name}: {value!r} {_PROBLEMS[use.pattern]}",
            file=place.file if place else None,
            line=place.line if place else None,
            hint=f"it is used at {use.file}:{use.line}",
        )


_PROBLEMS = {
    patterns.BLOCK: "is no IP address and no network block like 10.0.0.0/8",
    patterns.BLOCK4: "is no IPv4 address and no block like 10.0.0.0/8",
    patterns.INTEGER: "is no number, and its field is one",
    patterns.BOOLEAN: "is neither `true` nor `false`, as its field asks",
    patterns.PLAIN: "cannot stand without quotes: put the placeholder in double quotes",
    patterns.LINE: "has a line break, and stands between single quotes",
    patterns.BLOCK_LINE: "has a line break or begins with a blank, and stands inside a block of text",
    patterns.BLOCK_LINES: "begins with a blank, and stands inside a block of text",
}


_ARCHITECTURES = re.compile(rb"\n  architectures:[ \t]*(?:\[([^\]\n]*)\]|((?:\r?\n[ ]*-[ ][^\r\n]*)+))")


def architectures(bundle: Bundle) -> Iterator[Platform]:
    """The `spec.architectures` of the profiles, where the template says them outright."""
    part = bundle.part("profiles")
    if part is None or bundle.kind is not Kind.BUNDLE:
        return
    for match in _ARCHITECTURES.finditer(part[1]):
        listed = match[1].split(b",") if match[1] is not None else match[2].split(b"\n")
        for item in listed:
            name = item.decode("utf-8", "replace").strip().removeprefix("-").strip().strip("\"'")
            if name and name.isalnum():
                yield Platform.parse(f"linux/{name}")
