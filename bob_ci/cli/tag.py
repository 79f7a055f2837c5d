"""`bobctl tag artifact`."""

from __future__ import annotations

import click

from bob_ci.cli import options, output
from bob_ci.listing import stable_last
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.reference import Reference, check_tag


@click.command("artifact")
@options.reference_argument
@click.option("--tag", "tags", multiple=True, required=True, help="A tag to move; may be repeated.")
@options.registry_options
@options.format_option("text", "json")
def tag(reference: Reference, tags: tuple[str, ...], form: str, connection: Connection) -> None:
    """Let tags name the artifact that REFERENCE names now."""
    tags = stable_last(tags)
    for name in tags:
        check_tag(name)
    store = open_store(reference, connection)
    descriptor = store.resolve(reference.selector or "latest")
    for name in tags:
        store.tag(descriptor, name)
    if form == "json":
        output.print_json(
            {
                "reference": f"{store.name}@{descriptor.digest}",
                "digest": descriptor.digest,
                "tags": list(tags),
            }
        )
        return
    for name in tags:
        click.echo(f"tagged {reference.with_tag(name)}  {descriptor.digest}")
