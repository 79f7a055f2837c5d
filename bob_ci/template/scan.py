"""Source text → a skeleton that is YAML, and the marks that were put in for placeholders.

Every `{{ … }}` and `$values.x` becomes one private character, every `{% … %}` that stands alone an empty
line; so the skeleton has the source's lines, and a YAML parser tells what each placeholder lies in.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from bob_ci.errors import InputError

_STRING = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
_JINJA = rf"""
    (?P<raw>\{{%\s*raw\s*%\}}(?P<inside>.*?)\{{%\s*endraw\s*%\}})
  | (?P<output>\{{\{{(?:{_STRING}|(?!\}}\}})[^'"\n])*\}}\}})
  | (?P<tag>\{{%(?:{_STRING}|(?!%\}})[^'"])*%\}})
  | (?P<comment>\{{\#.*?\#\}})
"""
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SEED = rf"""
    (?P<braced>\$\{{values\.(?P<inner>[^}}\n]*)\}})
  | (?P<seed>\$values\.(?P<path>{_NAME}(?:\.{_NAME})*))
"""
_JINJA_TOKEN = re.compile(f"{_JINJA}|{_SEED}", re.VERBOSE | re.DOTALL)
_SEED_TOKEN = re.compile(_SEED, re.VERBOSE)
_HAS_JINJA = re.compile(r"\{%|\{\{-?\s*values\b")
_UNFINISHED = re.compile(r"\{\{|\{%|\{#")


class MarkKind(Enum):
    """What a mark stands for."""

    OUTPUT = "{{ }}"
    SEED = "$values"
    STRAY_TAG = "{% %}"


@dataclass(frozen=True)
class Mark:
    """A placeholder: where its private character stands in the skeleton, and what stood there."""

    index: int
    kind: MarkKind
    source: str
    path: tuple[str, ...] = ()  # of `$values`: the longest reading
    braced: bool = False


@dataclass(frozen=True)
class Tag:
    """A `{% … %}` on a line of its own."""

    line: int  # from 0
    words: str  # between the braces


@dataclass(frozen=True)
class Skeleton:
    """YAML text of the same lines, with `mark` for every placeholder."""

    text: str
    mark: str
    marks: tuple[Mark, ...]
    tags: tuple[Tag, ...]
    removed: frozenset[int]  # lines (from 0) that no rendering shows
    literal: tuple[tuple[int, int], ...]  # spans of the skeleton that came out of `raw`
    jinja: bool


def has_placeholders(text: str) -> bool:
    """Whether anything in the text could be a placeholder."""
    return "$values." in text or "${values." in text or is_jinja(text)


def is_jinja(text: str) -> bool:
    """`{{` is Jinja2 only in files that hold `{%` or `{{ values` (FORMAT.md 3)."""
    return _HAS_JINJA.search(text) is not None


def scan(text: str, file: str) -> Skeleton:
    """Read the placeholders of one file.

    Raises:
        InputError: for whitespace control and for constructs over several lines.
    """
    return _Scanner(text, file).run()


def unfinished(skeleton: Skeleton) -> tuple[int, str] | None:
    """An opening brace of Jinja2 that nothing closes, and its index, if there is one."""
    if not skeleton.jinja:
        return None
    for match in _UNFINISHED.finditer(skeleton.text):
        if not any(first <= match.start() < last for first, last in skeleton.literal):
            return match.start(), match.group()
    return None


class _Scanner:
    """One pass over the source; the pieces add up to the skeleton."""

    def __init__(self, text: str, file: str) -> None:
        self.source = text
        self.file = file
        self.jinja = is_jinja(text)
        self.mark = _unused_character(text)
        self.pieces: list[str] = []
        self.length = 0
        self.marks: list[Mark] = []
        self.tags: list[Tag] = []
        self.removed: set[int] = set()
        self.literal: list[tuple[int, int]] = []

    def run(self) -> Skeleton:
        end = 0
        for match in (_JINJA_TOKEN if self.jinja else _SEED_TOKEN).finditer(self.source):
            self._add(self.source[end : match.start()])
            self._token(match)
            end = match.end()
        self._add(self.source[end:])
        return Skeleton(
            "".join(self.pieces),
            self.mark,
            tuple(self.marks),
            tuple(self.tags),
            frozenset(self.removed),
            tuple(self.literal),
            self.jinja,
        )

    def _add(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)

    def _put_mark(
        self, kind: MarkKind, match: re.Match[str], path: str = "", *, braced: bool = False
    ) -> None:
        keys = tuple(path.split(".")) if path else ()
        self.marks.append(Mark(self.length, kind, match.group(), keys, braced))
        self._add(self.mark)

    def _token(self, match: re.Match[str]) -> None:
        kind = match.lastgroup and next(name for name in _TOKENS if match.groupdict().get(name) is not None)
        if kind == "seed":
            self._put_mark(MarkKind.SEED, match, match["path"])
        elif kind == "braced":
            self._put_mark(MarkKind.SEED, match, match["inner"], braced=True)
        elif kind == "output":
            self._refuse_whitespace_control(match)
            self._put_mark(MarkKind.OUTPUT, match)
        elif kind == "raw":
            self._raw(match)
        else:
            self._tag_or_comment(match, kind == "tag")

    def _tag_or_comment(self, match: re.Match[str], is_tag: bool) -> None:  # noqa: FBT001
        alone = self._alone(match.start(), match.end())
        if alone:
            if is_tag:
                self._refuse_whitespace_control(match)
                self.tags.append(Tag(self._line(match.start()), match.group()[2:-2].strip()))
            self._remove_lines(match.start(), match.end())
            self._blank(match)
        elif is_tag:
            self._put_mark(MarkKind.STRAY_TAG, match)
        elif "\n" in match.group():
            raise InputError(
                "a comment over several lines shares one of them with text",
                file=self.file,
                line=self._line(match.start()) + 1,
                hint="`{#` stands first and `#}` last on its line",
            )
        # else: a comment within a line vanishes, the line's end stays

    def _blank(self, match: re.Match[str]) -> None:
        # The blanks before it are in the skeleton already and mean nothing on an empty line.
        self._add("\n" * match.group().count("\n"))

    def _raw(self, match: re.Match[str]) -> None:
        inside = match["inside"]
        opening = match.start("inside")
        closing = match.end("inside")
        if self._alone(match.start(), opening):
            self._remove_lines(match.start(), opening)
        if self._alone(closing, match.end()):
            self._remove_lines(closing, match.end())
        self._add("\n" * self.source.count("\n", match.start(), opening))
        self.literal.append((self.length, self.length + len(inside)))
        self._add(inside)
        self._add("\n" * self.source.count("\n", closing, match.end()))

    def _alone(self, start: int, end: int) -> bool:
        line_start = self.source.rfind("\n", 0, start) + 1
        line_end = self.source.find("\n", end)
        rest = self.source[end:] if line_end < 0 else self.source[end:line_end]
        return not self.source[line_start:start].strip() and not rest.strip()

    def _remove_lines(self, start: int, end: int) -> None:
        self.removed.update(range(self._line(start), self._line(end) + 1))

    @cached_property
    def line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.source)]

    def _line(self, index: int) -> int:
        return bisect_left(self.line_ends, index)

    def _refuse_whitespace_control(self, match: re.Match[str]) -> None:
        token = match.group()
        if token[2] in "-+" or token[-3] in "-+":
            raise InputError(
                f"{token}: whitespace control is not portable",
                file=self.file,
                line=self._line(match.start()) + 1,
                hint="a `{% … %}` alone on its line leaves nothing behind: write it without `-`",
            )


_TOKENS = ("raw", "output", "tag", "comment", "braced", "seed")


def _unused_character(text: str) -> str:
    """A character of the private use area that the text has not: YAML takes it for a letter."""
    escapes = {code.lower() for code in re.findall(r"\\[uU](?:0000)?([0-9A-Fa-f]{4})", text)}
    private = range(0xE000, 0xF900)
    return next(char for char in map(chr, private) if char not in text and f"{ord(char):x}" not in escapes)
