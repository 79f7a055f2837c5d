"""The commands by name; a command's module is imported when it is called, and no sooner."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from bob_ci.version import __version__

# Verb → module:function. A verb with a noun is a group, whose noun is `artifact` (or `artifacts`).
_COMMANDS = {
    "chart": "bob_ci.cli.chart:chart",
    "completion": "bob_ci.cli.completion:completion",
    "lint": "bob_ci.cli.lint:lint",
    "publish": "bob_ci.cli.publish:publish",
    "render": "bob_ci.cli.render:render",
}
_NOUNS = {
    "describe": ("Show one artifact on one screen.", "bob_ci.cli.describe:describe"),
    "list": ("List the artifacts of a repository.", "bob_ci.cli.list:list_artifacts"),
    "pull": ("Fetch an artifact and unpack it.", "bob_ci.cli.pull:pull"),
    "push": ("Pack a directory and push it, without the other steps of publish.", "bob_ci.cli.push:push"),
    "tag": ("Let tags name an artifact.", "bob_ci.cli.tag:tag"),
}
_SHORT = {
    "chart": "Write a bundle's mini Helm chart.",
    "completion": "Print the completion script of a shell.",
    "lint": "Check bundles against the rules.",
    "publish": "Lint, render, pack, push and tag a bundle: the main job.",
    "render": "Print a bundle's objects, rendered.",
}


def _load(target: str) -> click.Command:
    module, _, name = target.partition(":")
    command: click.Command = getattr(import_module(module), name)
    return command


class LazyGroup(click.Group):
    """A group that knows the names and one line of help of its commands, and imports what is called."""

    def __init__(
        self, *arguments: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted([*super().list_commands(ctx), *self.lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command by its name."""
        if cmd_name in self.lazy:
            return _load(self.lazy[cmd_name][1])
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing one of them."""
        rows = []
        for name in self.list_commands(ctx):
            known = self.commands.get(name)
            rows.append((name, known.get_short_help_str() if known else self.lazy[name][0]))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class NounGroup(LazyGroup):
    """A verb, whose commands are nouns, in the singular or the plural."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command by its noun."""
        return super().get_command(ctx, cmd_name if cmd_name in self.lazy else cmd_name.removesuffix("s"))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the noun; say which there are where it was left out."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            nouns = " or ".join(f"`{ctx.command_path} {noun} …`" for noun in self.list_commands(ctx))
            ctx.fail(f"{args[0]!r} is no noun: write {nouns}.")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    lazy={name: (_SHORT[name], target) for name, target in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="bobctl", message="%(prog)s %(version)s")
def root() -> None:
    """Take a Bill of Behavior from a commit to the customer.

    BUNDLE is a directory with a bob.yaml. REFERENCE is oci-layout:DIR[:TAG][@DIGEST] or
    HOST/REPOSITORY[:TAG][@DIGEST].
    """


def _noun_group(verb: str, short: str, target: str) -> click.Group:
    group = NounGroup(verb, lazy={"artifact": (short, target)}, help=short, short_help=short)
    group.callback = None
    return group


for _verb, (_short, _target) in _NOUNS.items():
    root.add_command(_noun_group(_verb, _short, _target))
