"""BOB6xx: a bundle's files, values and templates fit together (PROFILES.md, Bundle)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bob_ci.bundle.source import Bundle
from bob_ci.bundle.view import View, architectures, platforms_of
from bob_ci.lint.finding import Severity
from bob_ci.lint.rule import Fault, Rule, rule
from bob_ci.oci.platform import Platform
from bob_ci.template.network import has_host_bits
from bob_ci.template.patterns import BLOCK, BLOCK4
from bob_ci.template.uses import ITEM

_NAMED = 5  # files in one message


@rule("BOB602", "value-unused", Severity.WARNING)
def value_unused(view: View) -> Iterator[Fault]:
    """A value that nothing uses: a customer who changes it changes nothing."""
    used = {use.path for use in view.uses}
    for path in _leaves(view.values.data, ()):
        if not any(path[: len(each)] == each or each[: len(path)] == path for each in used):
            yield _at(view, path, f"{'.'.join(path)}: no template uses this value")


def _leaves(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


@rule("BOB607", "value-cidr-host-bits", Severity.WARNING)
def value_cidr_host_bits(view: View) -> Iterator[Fault]:
    """Go masks host bits, other tools refuse them: write the network's own address."""
    for path, value in _lists(view):
        for block in value:
            if isinstance(block, str) and has_host_bits(block):
                yield _at(view, path, f"{'.'.join(path)}: {block} has host bits set")


@rule("BOB608", "value-block-repeated", Severity.WARNING)
def value_block_repeated(view: View) -> Iterator[Fault]:
    """A block that stands twice in a list makes every entry twice."""
    blocks = {use.path[:-1] for use in view.uses if use.path[-1] == ITEM and use.pattern in (BLOCK, BLOCK4)}
    for path, value in _lists(view):
        for block in sorted({item for item in value if value.count(item) > 1} if path in blocks else ()):
            yield _at(view, path, f"{'.'.join(path)}: {block} stands there more than once")


def _lists(view: View) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for path in _leaves(view.values.data, ()):
        value: Any = view.values.data
        for key in path:
            value = value[key]
        if isinstance(value, list):
            yield path, value


def _at(view: View, path: tuple[str, ...], message: str) -> Fault:
    place = view.values.place(path)
    return Fault(
        place.file if place else "", (place.line if place else None) or 1, message, path=".".join(path)
    )


@rule("BOB620", "file-left-out", Severity.INFO)
def file_left_out(bundle: Bundle) -> Iterator[Fault]:
    """Unknown files are packed only when the manifest lists them; what is not listed is not shipped."""
    if bundle.left_out:
        more = len(bundle.left_out) - _NAMED
        names = ", ".join(bundle.left_out[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        message = f"left out of the artifact: {names}; list them in manifest.yaml, spec.files, to pack them"
        yield Fault(bundle.where(bundle.left_out[0]), 1, message)


@rule("BOB621", "overlay-decides-platforms", Severity.WARNING)
def overlay_decides_platforms(bundle: Bundle) -> Iterator[Fault]:
    """Without platforms in the manifest overlays alone decide: what has none is not published."""
    folders = bundle.overlay_folders()
    if not folders or bundle.manifest.platforms:
        return
    lost = sorted(set(architectures(bundle)) - set(platforms_of(bundle)))
    if lost:
        names = ", ".join(map(str, lost))
        message = f"{names} has no overlay, so it is not published: list all platforms in manifest.yaml"
        yield Fault(bundle.where(f"platforms/{folders[0]}"), 1, message)


@rule("BOB622", "overlay-unused", Severity.WARNING)
def overlay_unused(bundle: Bundle) -> Iterator[Fault]:
    """An overlay for a platform that the bundle does not have changes nothing."""
    there = platforms_of(bundle)
    for folder in bundle.overlay_folders():
        if Platform.parse_folder(folder) not in there:
            message = (
                f"the bundle has no platform {Platform.parse_folder(folder)}: the manifest does not list it"
            )
            yield Fault(bundle.where(f"platforms/{folder}"), 1, message)


VIEW_RULES: tuple[Rule[View], ...] = (value_unused, value_cidr_host_bits, value_block_repeated)
BUNDLE_RULES: tuple[Rule[Bundle], ...] = (file_left_out, overlay_decides_platforms, overlay_unused)
