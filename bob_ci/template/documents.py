"""The outline of a whole file without tags, document by document: each in the fastest way that it allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from bob_ci.template.outline import Outline, outline
from bob_ci.template.quick import Memo, quick_outline


def outline_by_document(lines: Sequence[str], starts: Sequence[int], mark: str, file: str) -> Outline:
    """The outline around the marks of a skeleton.

    Args:
        lines: the skeleton's lines, without their ends.
        starts: where each begins in the skeleton.
        mark: what is looked for.
        file: its name, for errors.

    Raises:
        InputError: the skeleton is not YAML.
    """
    memo: Memo = {}
    whole = Outline((), (), ())
    for first, last in _bounds(lines):
        chunk = lines[first:last]
        found = quick_outline(chunk, starts[first:last], mark, memo)
        if found is None:
            text = "\n".join(chunk) + ("\n" if last < len(lines) else "")
            points = [match.start() for match in re.finditer(mark, text)]
            parsed = outline(text, file, points, (), lambda _, end: end, first_line=first)
            found = _moved(parsed, characters=starts[first])
        moved = _moved(found, lines=first, documents=len(whole.documents))
        whole = Outline(
            whole.documents + moved.documents,
            whole.scalars + moved.scalars,
            whole.collections + moved.collections,
        )
    return whole


def _bounds(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The documents as ranges of lines; a `---` begins one (YAML 1.2, 9.1.2)."""
    marked = [number for number, line in enumerate(lines) if line[:3] == "---"]
    markers = [number for number in marked if lines[number][3:4] in ("", " ", "\t", "\r")]
    bounds = [*([0] if markers[:1] != [0] else []), *markers, len(lines)]
    yield from pairwise(bounds)


def _moved(found: Outline, *, characters: int = 0, lines: int = 0, documents: int = 0) -> Outline:
    """An outline of a part, as one of the whole."""
    for collection in found.collections:
        if collection.indicator >= 0:
            collection.indicator += characters
            collection.indicator_line += lines
        collection.document += documents
        for child in collection.children:
            child.first_line += lines
            child.last_line += lines
    scalars = tuple(
        replace(
            scalar,
            start=scalar.start + characters,
            end=scalar.end + characters,
            line=scalar.line + lines,
            document=scalar.document + documents,
        )
        for scalar in found.scalars
    )
    return Outline(found.documents, scalars, found.collections)
