"""`bobctl pull artifact`."""

from __future__ import annotations

from pathlib import Path

import click

from bob_ci.cli import options, output
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.platform import Platform
from bob_ci.oci.reference import Reference
from bob_ci.oci.unpack import write_tree
from bob_ci.pull import Part
from bob_ci.pull import pull as pull_artifact


@click.command("artifact")
@options.reference_argument
@click.option(
    "--output", "directory", type=options.DIRECTORY, required=True, help="Where to; made if need be."
)
@options.registry_options
@options.platform_option
@click.option(
    "--include", "parts", type=click.Choice([part.value for part in Part]), multiple=True,
    help="Only this part; may be repeated.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@options.format_option("text", "json")
def pull(
    reference: Reference,
    directory: Path,
    platform: Platform | None,
    parts: tuple[str, ...],
    overwrite: bool,
    form: str,
    connection: Connection,
) -> None:
    """Fetch REFERENCE (its tag is `latest` unless given) and unpack it into a directory."""
    store = open_store(reference, connection)
    selector = reference.selector or "latest"
    pulled = pull_artifact(store, selector, platform=platform, parts=[Part(part) for part in parts])
    paths = write_tree(pulled.files, directory, overwrite=overwrite)
    if form == "json":
        output.print_json(
            {
                "reference": f"{store.name}@{pulled.digest}",
                "digest": pulled.digest,
                "platform": pulled.platform,
                "platformDigest": pulled.child_digest,
                "files": sorted(pulled.files),
            }
        )
        return
    click.echo(f"pulled {store.name}@{pulled.digest}")
    output.fields([("platform", pulled.platform), ("digest", pulled.child_digest)])
    output.fields([("files", f"{len(paths)} in {directory}")])
