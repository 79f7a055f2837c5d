"""`bobctl list artifact`."""

from __future__ import annotations

from typing import Any

import click

from bob_ci.cli import options, output
from bob_ci.errors import InputError
from bob_ci.listing import Row, rows, tags_of
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.reference import Reference


@click.command("artifact")
@options.reference_argument
@click.option("--filter-regex", "pattern", help="Only tags in which this regular expression is found.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@options.registry_options
@options.format_option("text", "json")
def list_artifacts(
    reference: Reference, pattern: str | None, limit: int | None, form: str, connection: Connection
) -> None:
    """List the tags of a repository, highest version first. REFERENCE has neither tag nor digest."""
    if reference.selector is not None:
        raise InputError(
            f"{reference}: one artifact, not a repository",
            hint=f"bobctl list artifact {reference.name}, or bobctl describe artifact {reference}",
        )
    store = open_store(reference, connection)
    found = list(rows(store, tags_of(store, pattern=pattern, limit=limit)))
    if form == "json":
        output.print_json({"repository": store.name, "artifacts": [_json(row) for row in found]})
        return
    output.table(
        ("TAG", "DIGEST", "PLATFORMS", "SOURCE", "REVISION", "CREATED"),
        [_cells(row) for row in found],
    )


def _cells(row: Row) -> tuple[str, ...]:
    if row.image is None:
        return (row.tag, "-", "-", "-", "-", row.problem or "-")
    image = row.image
    return (
        row.tag,
        output.short(image.descriptor.digest),
        ",".join(image.platforms) or "-",
        image.source or "-",
        _short_revision(image.revision),
        image.created or "-",
    )


def _short_revision(revision: str | None) -> str:
    """`main@sha1:0123456…` with as much of the commit as people read."""
    if not revision:
        return "-"
    name, _, commit = revision.rpartition(":")
    return f"{name}:{commit[:7]}{'-dirty' if commit.endswith('-dirty') else ''}" if name else revision


def _json(row: Row) -> dict[str, Any]:
    if row.image is None:
        return {"tag": row.tag, "problem": row.problem}
    image = row.image
    return {
        "tag": row.tag,
        "digest": image.descriptor.digest,
        "mediaType": image.descriptor.media_type,
        "artifactType": image.manifest.artifact_type,
        "platforms": list(image.platforms),
        "source": image.source,
        "revision": image.revision,
        "created": image.created,
        "annotations": dict(image.manifest.annotations),
    }
