"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bob_ci.bundle.view import Overrides
from bob_ci.errors import InputError
from bob_ci.lint.finding import Severity
from bob_ci.oci.platform import Platform

if TYPE_CHECKING:
    from bob_ci.oci.open import Connection
    from bob_ci.oci.reference import Reference

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


def reference(text: str) -> Reference:
    """A reference in any of the forms of FORMAT.md 8."""
    from bob_ci.oci.reference import parse_reference

    return parse_reference(text)


DIRECTORY = click.Path(path_type=Path)

bundle_argument: Decorator = click.argument("bundle", type=DIRECTORY)
reference_argument: Decorator = click.argument("reference", type=reference)

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


def _gathered(name: str, make: Callable[..., Any], *options: Decorator) -> Decorator:
    """Several options as one argument `name`, made of them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        inner = getattr(function, "__click_params__", [])

        def wrapped(*arguments: Any, **given: Any) -> Any:
            own = {key: given.pop(key) for key in keys}
            return function(*arguments, **{name: make(**own)}, **given)

        wrapped.__name__, wrapped.__doc__ = function.__name__, function.__doc__
        decorated: Callable[..., Any] = wrapped
        for option in options:
            decorated = option(decorated)
        parameters: list[click.Parameter] = getattr(decorated, "__click_params__", [])
        keys = [str(parameter.name) for parameter in parameters]
        decorated.__click_params__ = [*inner, *parameters]  # type: ignore[attr-defined]
        return decorated

    return decorate


def _overrides(value_files: tuple[Path, ...], assignments: tuple[str, ...]) -> Overrides:
    return Overrides(value_files, assignments)


values_options = _gathered(
    "overrides",
    _overrides,
    click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE",
        help="One value; a list has commas; may be repeated.",
    ),
    click.option(
        "--values", "value_files", type=DIRECTORY, multiple=True, metavar="FILE",
        help="Values over the bundle's own: key=value lines, or YAML by its suffix; may be repeated.",
    ),
)  # fmt: skip


def _connection(*, password_stdin: bool, insecure_skip_tls_verify: bool, **rest: Any) -> Connection:
    from bob_ci.oci.open import Connection

    tls = [name for name in ("ca_file", "cert_file", "key_file") if rest[name]]
    if rest["plain_http"] and (tls or insecure_skip_tls_verify):
        raise InputError("--plain-http: there is no TLS that the other flags could be about")
    if rest["key_file"] and not rest["cert_file"]:
        raise InputError("--key-file: needs its certificate", hint="--cert-file FILE")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    return Connection(os.environ, verify_tls=not insecure_skip_tls_verify, password=password, **rest)


registry_options = _gathered(
    "connection",
    _connection,
    click.option("--registry-config", type=DIRECTORY, metavar="FILE", help="The file with credentials."),
    click.option("--password-stdin", is_flag=True, help="Read the password of --creds from standard input."),
    click.option("--creds", metavar="USER[:PASSWORD]", help="Credentials for the registry."),
    click.option("--key-file", type=DIRECTORY, metavar="FILE", help="The key of --cert-file."),
    click.option("--cert-file", type=DIRECTORY, metavar="FILE", help="Our certificate for the registry."),
    click.option("--ca-file", type=DIRECTORY, metavar="FILE", help="Trust this authority's registries too."),
    click.option("--insecure-skip-tls-verify", is_flag=True, help="Do not check the registry's certificate."),
    click.option("--plain-http", is_flag=True, help="Without TLS; implied for this machine."),
)


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
