"""`bobctl describe artifact`."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import click

from bob_ci.cli import options, output
from bob_ci.description import Description
from bob_ci.description import describe as describe_artifact
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.platform import Platform
from bob_ci.oci.reference import Reference
from bob_ci.profile.allows import COUNTED, Allows

_PREFIX = "org.opencontainers.image."


@click.command("artifact")
@options.reference_argument
@options.registry_options
@options.platform_option
@options.format_option("text", "json", "mermaid")
def describe(reference: Reference, platform: Platform | None, form: str, connection: Connection) -> None:
    """Show what REFERENCE is, what it allows and what refers to it."""
    store = open_store(reference, connection)
    found = describe_artifact(store, reference.selector or "latest", platform)
    if form == "json":
        output.print_json({"reference": f"{store.name}@{found.digest}", **_json(found)})
    elif form == "mermaid":
        click.echo("\n".join(_mermaid(found)))
    else:
        _text(str(reference), found)


def _text(reference: str, found: Description) -> None:
    title = " ".join(part for part in (found.name, found.version) if part)
    click.echo(click.style(reference, bold=True) + (f"  {output.safe(title)}" if title else ""))
    output.fields(_rows(found))
    if found.allows:
        click.echo("\nallows")
        output.table(
            ("  KIND", "PROFILE", "CONTAINER", *map(str.upper, COUNTED)),
            [_cells(each) for each in found.allows],
        )
    if found.referrers:
        click.echo("\nreferred to by")
        output.fields((output.short(each.digest), each.artifact_type) for each in found.referrers)


def _rows(found: Description) -> Iterator[tuple[str, str | None]]:
    yield "digest", found.digest
    yield "type", found.artifact_type or found.media_type
    for key, text in found.annotations.items():
        yield key.removeprefix(_PREFIX), text
    for image in found.images:
        yield "image", image
    for part in found.platforms:
        yield "platform", f"{part.platform}  {part.digest}  {output.size(part.size)}"


def _cells(each: Allows) -> tuple[str, ...]:
    numbers = ("-" if number is None else str(number) for number in each.counts.values())
    return (f"  {each.kind}", each.profile, each.container or "-", *numbers)


def _json(found: Description) -> dict[str, Any]:
    return {
        "digest": found.digest,
        "mediaType": found.media_type,
        "artifactType": found.artifact_type,
        "name": found.name,
        "version": found.version,
        "annotations": dict(found.annotations),
        "images": list(found.images),
        "platforms": [
            {
                "platform": part.platform,
                "digest": part.digest,
                "size": part.size,
                "contentDigest": part.content_digest,
            }
            for part in found.platforms
        ],
        "allows": [
            {"kind": each.kind, "profile": each.profile, "container": each.container, **each.counts}
            for each in found.allows
        ],
        "referrers": [
            {"digest": each.digest, "artifactType": each.artifact_type} for each in found.referrers
        ],
    }


def _mermaid(found: Description) -> Iterator[str]:
    yield "flowchart LR"
    yield f'  bob["{_label(found.name or "artifact")}<br/>{output.short(found.digest)}"]'
    for number, image in enumerate(found.images):
        yield f'  image{number}["{_label(image)}"] --> bob'
    for number, part in enumerate(found.platforms):
        yield f'  bob --> platform{number}["{_label(part.platform)}<br/>{output.short(part.digest)}"]'
    for number, each in enumerate(found.referrers):
        yield f'  referrer{number}["{_label(each.artifact_type or "referrer")}"] -.-> bob'


def _label(text: str) -> str:
    """Text inside a quoted Mermaid label."""
    return html.escape(output.safe(text))
