"""`bobctl push artifact`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bob_ci.bundle.view import Overrides
from bob_ci.cli import options, output
from bob_ci.cli.publish import show_published
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.platform import Platform
from bob_ci.oci.reference import Reference
from bob_ci.prepare import Request, prepare
from bob_ci.publish import IfExists, publish, target


@click.command("artifact")
@options.reference_argument
@click.option("--path", type=options.DIRECTORY, required=True, help="The bundle, or any directory.")
@options.platforms_option
@options.values_options
@options.origin_options
@options.registry_options
@options.conditions_options
@options.format_option("text", "json")
def push(
    reference: Reference,
    path: Path,
    overrides: Overrides,
    platforms: tuple[Platform, ...],
    source: str | None,
    revision: str | None,
    annotations: tuple[tuple[str, str], ...],
    tags: tuple[str, ...],
    if_exists: str,
    if_changed: bool,
    require_clean: bool,
    form: str,
    connection: Connection,
) -> None:
    """Pack --path and push it to REFERENCE, without lint. What is no bundle is packed as it is."""
    request = Request(
        path, platforms, overrides, source, revision, dict(annotations),
        any_directory=True, require_clean=require_clean,
    )  # fmt: skip
    prepared = prepare(request, os.environ, with_lint=False)
    for text in prepared.notices:
        output.notice(text)
    where = target(reference, prepared, tags=tags, if_exists=IfExists(if_exists), if_changed=if_changed)
    show_published(prepared, publish(prepared, where, open_store(where.reference, connection)), form)
