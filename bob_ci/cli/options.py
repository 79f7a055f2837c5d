"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bob_ci.bundle.view import Overrides
from bob_ci.errors import InputError
from bob_ci.lint.finding import Severity
from bob_ci.oci.platform import Platform
from bob_ci.oci.reference import parse_reference

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def pair(text: str) -> tuple[str, str]:
    """`key=value`, split at the first `=`.

    Raises:
        InputError: it is none, or holds a control character.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{text!r}: not `key=value`")
    if not text.isprintable():
        raise InputError(f"{text!r}: holds a control character")
    return key.strip(), value


DIRECTORY = click.Path(path_type=Path)

bundle_argument: Decorator = click.argument("bundle", type=DIRECTORY)
reference_argument: Decorator = click.argument("reference", type=parse_reference)

platforms_option: Decorator = click.option(
    "--platform",
    "platforms",
    type=Platform.parse,
    multiple=True,
    metavar="OS/ARCH",
    help="A platform to pack; may be repeated.",
)
platform_option: Decorator = click.option(
    "--platform",
    type=Platform.parse,
    metavar="OS/ARCH",
    help="Which platform; else linux/amd64, else the first.",
)


def values_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--values FILE` and `--set key=value`, as one argument `overrides`."""

    def wrapped(
        *arguments: Any, value_files: tuple[Path, ...], assignments: tuple[str, ...], **rest: Any
    ) -> Any:
        return function(*arguments, overrides=Overrides(value_files, assignments), **rest)

    wrapped.__name__, wrapped.__doc__ = function.__name__, function.__doc__
    wrapped.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    files = click.option(
        "--values", "value_files", type=DIRECTORY, multiple=True, metavar="FILE",
        help="Values over the bundle's own: key=value lines, or YAML by its suffix; may be repeated.",
    )  # fmt: skip
    assignments = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="One value; a list has commas; may be repeated.",
    )
    return files(assignments(wrapped))


def origin_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--source`, `--revision`, `--annotation`."""
    for option in (
        click.option(
            "--annotation",
            "annotations",
            type=pair,
            multiple=True,
            metavar="KEY=VALUE",
            help="A further annotation.",
        ),
        click.option("--revision", help="BRANCH@sha1:COMMIT; else what git says."),
        click.option("--source", help="Where the sources are; else the origin remote."),
    ):
        function = option(function)
    return function


def conditions_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--if-exists`, `--if-changed`, `--require-clean`, `--tag`."""
    for option in (
        click.option("--require-clean", is_flag=True, help="Refuse a git tree with changes."),
        click.option("--if-changed", is_flag=True, help="Write nothing when the contents are the same."),
        click.option(
            "--if-exists", type=click.Choice(["replace", "skip", "fail"]), default="replace",
            show_default=True, help="What to do when the tag names another artifact.",
        ),
        click.option("--tag", "tags", multiple=True, help="A further tag of the same digest; repeatable."),
    ):  # fmt: skip
        function = option(function)
    return function


def format_option(*formats: str) -> Decorator:
    """`--format`: the form of the output, never a place."""
    return click.option(
        "--format", "form", type=click.Choice(formats), default=formats[0], show_default=True,
        help="The form of the output.",
    )  # fmt: skip


fail_on_option: Decorator = click.option(
    "--fail-on",
    type=click.Choice([str(severity) for severity in sorted(Severity, reverse=True)]),
    default="error",
    show_default=True,
    callback=lambda _ctx, _param, value: Severity.named(value),
    help="Findings of this severity or worse end with 3.",
)
