"""stdout and stderr of the process: UTF-8 everywhere, and nobody's closed pipe ends the work half done."""

from __future__ import annotations

import io
import os
import sys
from typing import cast

from bob_ci.errors import BobError


class LastingStream(io.TextIOWrapper):
    """A stream of the process that goes on, unheard, once its reader has gone, as `head` does.

    `publish 2>&1 | head -1` must still publish, and end with its own exit code. Any other trouble (a full
    disk) is an error where the stream carries the result.
    """

    def __init__(self, buffer: io.BufferedWriter, *, is_result: bool) -> None:
        super().__init__(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._is_result = is_result

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return super().write(text)
        except OSError as error:
            self._let_go(error)
            return len(text)

    def flush(self) -> None:
        """Hand over what is written."""
        try:
            super().flush()
        except OSError as error:
            self._let_go(error)

    def _let_go(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if self._is_result and not isinstance(error, BrokenPipeError):
            raise BobError(f"standard output: cannot be written: {error.strerror}") from error


def install() -> None:
    """Put such streams in place of Python's own; one that was closed from the start leads nowhere."""
    sys.stdout = _lasting(sys.stdout, is_result=True)
    sys.stderr = _lasting(sys.stderr, is_result=False)


def _lasting(stream: object, *, is_result: bool) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):  # None: its file descriptor is closed
        # Opened for good, and so early that it takes the free number: no file of ours becomes stdout.
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    return LastingStream(cast("io.BufferedWriter", stream.detach()), is_result=is_result)
