"""Errors that a user can act on: what failed, on what, why, and what to do next."""

from __future__ import annotations


class BobError(Exception):
    """The root of all expected errors. Anything else that escapes is a bug.

    The message reads `OBJECT: WHAT FAILED[: CAUSE]`; the hint is the next step.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InputError(BobError):
    """Input that cannot be read, or a wrong use of a command (CLI.md: exit 2)."""

    exit_code = 2

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message, hint=hint)
        self.file = file
        self.line = line


class MissingExtraError(BobError):
    """A command needs a package that a plain install leaves out."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package}: not installed",
            hint=f"pip install 'bob-ci[all]'   (or 'bob-ci[{extra}]' for this alone)",
        )
