"""`bobctl render`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click
import yaml

from bob_ci.bundle.render import NAMES
from bob_ci.bundle.render import render as render_view
from bob_ci.bundle.source import Kind, read_bundle, refuse_plain
from bob_ci.bundle.view import Overrides, one_platform, view
from bob_ci.cli import options, output
from bob_ci.errors import InputError
from bob_ci.oci.platform import Platform
from bob_ci.profile.objects import load_objects


@click.command()
@options.bundle_argument
@options.platform_option
@options.values_options
@click.option("--output", "directory", type=options.DIRECTORY, help="Write files there; else print.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@options.format_option("yaml", "json")
def render(
    bundle: Path,
    overrides: Overrides,
    platform: Platform | None,
    directory: Path | None,
    overwrite: bool,
    form: str,
) -> None:
    """Print the objects of BUNDLE for one platform. A bundle that is a chart is rendered by helm."""
    files = _rendered(bundle, overrides, platform)
    if directory is not None:
        from bob_ci.oci.unpack import write_tree

        data = {name: text.encode() for name, text in files.items()}
        paths = [str(path) for path in write_tree(data, directory, overwrite=overwrite)]
        if form == "json":
            output.print_json({"files": paths})
        else:
            click.echo("\n".join(paths))
    elif form == "json":
        _print_objects(bundle, files.values())
    else:
        click.echo(_one_stream(list(files.values())), nl=False)


def _rendered(path: Path, overrides: Overrides, platform: Platform | None) -> dict[str, str]:
    bundle = read_bundle(path)
    refuse_plain(bundle)
    if bundle.kind is Kind.CHART:
        from bob_ci.bundle.helm import helm_template

        text = helm_template(
            path, "bob", values=overrides.files, assignments=overrides.assignments, environ=os.environ
        )
        return {"bob.yaml": text}
    rendered = render_view(view(bundle, one_platform(bundle, platform), overrides))
    return {NAMES[role]: file.text for role, file in rendered.files.items()}


def _print_objects(bundle: Path, texts: Iterable[str]) -> None:
    try:
        output.print_json({"objects": [found for text in texts for found in load_objects(text)]})
    # Sets, infinity, keys that are lists: YAML that no Kubernetes object holds.
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{bundle}: renders to what JSON has no form for: {error}") from None


def _one_stream(texts: list[str]) -> str:
    """Several files as one YAML stream."""
    stream = ""
    for text in texts:
        if stream and not stream.endswith("\n"):
            stream += "\n"
        stream += ("---\n" if stream and not text.startswith("---") else "") + text
    return stream
