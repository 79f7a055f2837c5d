"""Which strings a place takes, as patterns that Python, Go and JSON Schema read alike.

No look-around, no back-references, no class that means different things in two engines: the chart's
schema, its helpers and `bobctl render` refuse the same values because they hold the same text.
"""

from __future__ import annotations

import re
from functools import cache

_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_PREFIX4 = r"(/(3[0-2]|[12]?[0-9]))?"
_H16 = "[0-9A-Fa-f]{1,4}"
_LS32 = rf"({_H16}:{_H16}|{_IPV4})"
# RFC 3986, appendix A, IPv6address, line by line.
_IPV6 = "|".join(
    (
        rf"({_H16}:){{6}}{_LS32}",
        rf"::({_H16}:){{5}}{_LS32}",
        rf"({_H16})?::({_H16}:){{4}}{_LS32}",
        rf"(({_H16}:){{0,1}}{_H16})?::({_H16}:){{3}}{_LS32}",
        rf"(({_H16}:){{0,2}}{_H16})?::({_H16}:){{2}}{_LS32}",
        rf"(({_H16}:){{0,3}}{_H16})?::{_H16}:{_LS32}",
        rf"(({_H16}:){{0,4}}{_H16})?::{_LS32}",
        rf"(({_H16}:){{0,5}}{_H16})?::{_H16}",
        rf"(({_H16}:){{0,6}}{_H16})?::",
    )
)
_PREFIX6 = r"(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"

# What YAML 1.1 readers take for a line break or refuse outright can stand in no value. The characters
# themselves, for every engine writes their escapes in another way.
TEXT = "^[^\\x00-\\x08\\x0B-\\x1F\\x7F-\\x9F\u2028\u2029\ufeff\ufffe\uffff]*$"
LINE = r"^[^\n\r]*$"
# A line of a block scalar may not change the block's indentation.
BLOCK_LINE = r"^([^ \t\n\r][^\n\r]*)?$"
BLOCK_LINES = r"^([^ \t\n\r][^\r]*)?$"
INTEGER = r"^(0|-?[1-9][0-9]{0,9})$"
BOOLEAN = r"^(true|false)$"
# Characters that mean nothing to YAML wherever they stand in a plain scalar, also inside [ ] and { }.
_INERT = r"[A-Za-z0-9_./@+=~^%$()<>;?&!*|-]"
_FIRST = r"([A-Za-z0-9_./+(]|-[A-Za-z0-9_./])"
PLAIN = rf"^{_FIRST}(([ ]|:+)?{_INERT})*$"
BLOCK4 = rf"^{_IPV4}{_PREFIX4}$"
BLOCK = rf"^({_IPV4}{_PREFIX4}|({_IPV6}){_PREFIX6})$"


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of a text fits a pattern of this module."""
    return _compiled(pattern).fullmatch(text) is not None


def is_text(text: str) -> bool:
    """Whether YAML holds a text the same way everywhere: no control characters, no odd line breaks."""
    return matches(TEXT, text) and not any("\ud800" <= char <= "\udfff" for char in text)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # `$` would let a final line break pass in Python, and not in Go: match the whole instead.
    return re.compile(pattern.removeprefix("^").removesuffix("$"))
