"""`bobctl chart`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from bob_ci import git
from bob_ci.bundle.chart import chart_files
from bob_ci.bundle.name import bundle_name
from bob_ci.bundle.render import render
from bob_ci.bundle.source import Kind, read_bundle
from bob_ci.bundle.view import Overrides, one_platform, view
from bob_ci.cli import options, output
from bob_ci.errors import InputError
from bob_ci.oci.platform import Platform
from bob_ci.oci.unpack import write_tree


@click.command()
@options.bundle_argument
@click.option("--output", "directory", type=options.DIRECTORY, required=True, help="The chart's directory.")
@click.option("--overwrite", is_flag=True, help="Replace the chart that is there.")
@options.platform_option
@options.values_options
@options.format_option("text", "json")
def chart(
    bundle: Path, overrides: Overrides, directory: Path, overwrite: bool, platform: Platform | None, form: str
) -> None:
    """Write the mini Helm chart of BUNDLE, the very one that `publish` packs."""
    source = read_bundle(bundle)
    if source.kind is not Kind.BUNDLE:
        raise InputError(f"{bundle}: a {source.kind.value}; a chart is made of a bundle")
    seen = view(source, one_platform(source, platform), overrides)
    origin = None if source.manifest.name else git.describe(bundle, os.environ).source
    name = bundle_name(source.manifest, origin, render(seen).profiles())
    files = chart_files(seen, source.manifest, name)
    if overwrite:
        _refuse_leftovers(directory, files)
    write_tree(files, directory, overwrite=overwrite)
    if form == "json":
        version = source.manifest.version or "0.0.0"
        output.print_json({"chart": str(directory), "name": name, "version": version, "files": sorted(files)})
        return
    click.echo(f"wrote chart {name} to {directory}")


def _refuse_leftovers(directory: Path, files: Mapping[str, bytes]) -> None:
    """A template of another chart that stayed behind would be installed with this one."""
    there = (path for path in directory.rglob("*") if path.is_file())
    left = sorted(path for path in there if path.relative_to(directory).as_posix() not in files)
    if left:
        raise InputError(
            f"{directory}: holds what is no part of this chart: {left[0].relative_to(directory)}",
            hint="choose an empty directory, or remove it first",
        )
