"""The objects of a bundle for one platform, as text that a cluster takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from bob_ci.bundle.view import View
from bob_ci.errors import InputError
from bob_ci.profile.objects import Summary, items_of, load_objects, summaries
from bob_ci.template.evaluate import Piece, evaluate

# What Kubescape's storage takes of one profile by default (PROFILES.md, Server limits).
MAX_PROFILE_BYTES = 400_000
MAX_PROFILE_ITEMS = 40_000
# A profile of fewer characters cannot reach either limit: an item has two, JSON adds less than fourfold.
_WORTH_COUNTING = 60_000

NAMES = {"profiles": "bob.yaml", "deployment": "deployment.yaml"}


@dataclass(frozen=True)
class RenderedFile:
    """One rendered file, and where each of its lines comes from."""

    source: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece.text for piece in self.pieces)

    def source_lines(self) -> Sequence[int]:
        """For each rendered line (from 0) the line of the template (from 1) that it began in."""
        lines: list[int] = []
        at_start = True
        for piece in self.pieces:
            if at_start and piece.text:
                lines.append(piece.line)
            breaks = piece.text.count("\n")
            at_start = piece.text.endswith("\n") or (at_start and not piece.text)
            lines.extend(piece.line + number for number in range(1, breaks + (not at_start)))
        return lines


@dataclass(frozen=True)
class Rendered:
    """The rendered files of a view, by role; the test is never among them."""

    view: View
    files: Mapping[str, RenderedFile]

    @property
    def text(self) -> str:
        """All objects as one YAML stream."""
        texts = [file.text for file in self.files.values()]
        return "".join(
            text if not position else ("" if text.startswith("---") else "---\n") + text
            for position, text in enumerate(_ended(texts))
        )

    def profiles(self) -> tuple[Summary, ...]:
        """What the profiles are: kind, name, containers."""
        file = self.files.get("profiles")
        return tuple(summaries(objects(file))) if file is not None else ()


def _ended(texts: list[str]) -> list[str]:
    return [
        text if position == len(texts) - 1 or text.endswith("\n") else text + "\n"
        for position, text in enumerate(texts)
    ]


def render(view: View) -> Rendered:
    """Render profiles and deployment with the view's values.

    Raises:
        InputError: with file and line: a value does not fit, a profile is larger than the server takes.
    """
    files = {
        role: RenderedFile(template.file, tuple(evaluate(template, view.values.data)))
        for role, template in view.templates.items()
        if role in NAMES
    }
    if "profiles" in files:
        _check_size(files["profiles"])
    return Rendered(view, files)


def objects(file: RenderedFile) -> list[Any]:
    """The file's documents as data.

    Raises:
        InputError: the rendered text is no YAML, at the template's line.
    """
    try:
        return load_objects(file.text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines = file.source_lines()
        line = lines[min(mark.line, len(lines) - 1)] if mark and lines else None
        problem = error.problem or str(error)
        raise InputError(f"renders to what is no YAML: {problem}", file=file.source, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"renders to what is no YAML: {error}", file=file.source) from None


def _bytes_as_json(found: object, file: str) -> int:
    """How large an object is for the server. Counting ends early: aliases can stand for any amount."""
    size = 0
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
    try:
        for piece in encoder.iterencode(found):
            size += len(piece.encode())
            if size > 10 * MAX_PROFILE_BYTES:
                break
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"renders to what JSON has no form for: {error}", file=file) from None
    return size


def _check_size(file: RenderedFile) -> None:
    if max(map(len, file.text.split("\n---")), default=0) < _WORTH_COUNTING:
        return
    for found in objects(file):
        name = (found.get("metadata") or {}).get("name", "") if isinstance(found, dict) else ""
        size = _bytes_as_json(found, file.source)
        if size > MAX_PROFILE_BYTES:
            raise InputError(
                f"profile {name}: {size:,} bytes when rendered, the server takes {MAX_PROFILE_BYTES:,}",
                file=file.source,
                hint="fewer addresses in the network blocks, or one profile for each container",
            )
        count = items_of(found)
        if count > MAX_PROFILE_ITEMS:
            raise InputError(
                f"profile {name}: {count:,} items when rendered, the server takes {MAX_PROFILE_ITEMS:,}",
                file=file.source,
            )
