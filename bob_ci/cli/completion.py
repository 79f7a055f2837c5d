"""`bobctl completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from bob_ci.cli.root import root
from bob_ci.errors import BobError

_VARIABLE = "_BOBCTL_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell, to be sourced: source <(bobctl completion bash)."""
    kind = get_completion_class(shell)
    if kind is None:
        raise BobError(f"{shell}: no completion for this shell")
    # The script alone: `source()` would start bash to look at its version.
    complete = kind(root, {}, "bobctl", _VARIABLE)
    click.echo(complete.source_template % complete.source_vars())
