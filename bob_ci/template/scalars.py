"""What stands in for a scalar that has placeholders: its quotes, and what each placeholder must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bob_ci.template import tree
from bob_ci.template.assemble import Edit
from bob_ci.template.expression import Scope
from bob_ci.template.fields import Fields
from bob_ci.template.filters import FILTERS, Kind, escape_double
from bob_ci.template.outline import Scalar
from bob_ci.template.scan import Skeleton


@dataclass(frozen=True)
class Part:
    """One placeholder of a scalar."""

    index: int
    expression: tree.Expression
    at: Scope
    rest: str = ""  # letters and dots behind it, which were read with its path and are text


def edits_of_scalar(
    scalar: Scalar, parts: Sequence[Part], fields: Fields | None, skeleton: Skeleton
) -> Iterator[Edit]:
    """The edits that make a scalar right for any value (FORMAT.md 3, "Rules that make both renderers equal").

    Args:
        scalar: the scalar, in the skeleton.
        parts: its placeholders, in order.
        fields: the document's fields, where it is a profile.
        skeleton: the text that the edits are for.

    Raises:
        InputError: a list where a string is due.
    """
    special = _alone(scalar, parts, fields, skeleton)
    context = _field_context(fields, scalar)
    if special is not None and context is None:
        yield special
        return
    for part in parts:
        _check_string(part)
    if context in (tree.Context.INTEGER, tree.Context.BOOLEAN):
        yield _replaced(scalar, [tree.Emit(_joined(scalar, parts, skeleton), context, scalar.line + 1)])
    elif context is tree.Context.ADDRESS:
        emit = tree.Emit(_joined(scalar, parts, skeleton), context, scalar.line + 1)
        yield _quoted(scalar, [emit])
    elif _wants_new_quotes(scalar, fields, skeleton):
        yield _quoted(scalar, list(_content(scalar, parts, skeleton)))
    else:
        for part in parts:
            line = part.at.line
            emit = tree.Emit(part.expression, _context_in_place(scalar, part, skeleton), line)
            yield Edit(part.index, part.index + 1, (emit, tree.Verbatim(part.rest, line)))


def _context_in_place(scalar: Scalar, part: Part, skeleton: Skeleton) -> tree.Context:
    if scalar.style not in ("|", ">"):
        return {'"': tree.Context.DOUBLE, "'": tree.Context.SINGLE}.get(
            scalar.style or "", tree.Context.PLAIN
        )
    expression = part.expression
    if not isinstance(expression, tree.Filter) or expression.name != "indent":
        return tree.Context.BLOCK
    lines = skeleton.text[scalar.start : scalar.end].split("\n")[1:]
    width = min(len(line) - len(line.lstrip(" ")) for line in lines if line.strip())
    if expression.arguments[0] != tree.Number(width):
        raise part.at.error(f"indent: the block's lines begin in column {width + 1}: write `indent({width})`")
    if skeleton.text[part.index + 1 : scalar.end].partition("\n")[0].strip("\r"):
        # Behind a final line break of the value it would stand in the first column.
        raise part.at.error("indent: nothing stands behind it on its line, inside a block of text")
    return tree.Context.LINES


def _field_context(fields: Fields | None, scalar: Scalar) -> tree.Context | None:
    if fields is None or scalar.is_key:
        return None
    if fields.is_integer(scalar.path):
        return tree.Context.INTEGER
    if fields.is_boolean(scalar.path):
        return tree.Context.BOOLEAN
    return tree.Context.ADDRESS if fields.is_address(scalar.path) else None


def _wants_new_quotes(scalar: Scalar, fields: Fields | None, skeleton: Skeleton) -> bool:
    """In a profile what is templated is a string; over several lines a value's blanks could be folded."""
    if scalar.style in ("|", ">"):
        return False
    over_lines = "\n" in skeleton.text[scalar.start : scalar.end]
    return over_lines or (scalar.style is None and fields is not None)


def _alone(scalar: Scalar, parts: Sequence[Part], fields: Fields | None, skeleton: Skeleton) -> Edit | None:
    """A plain scalar that is one placeholder, ending in `quote` or `to_yaml`: these bring quotes."""
    last = parts[0].expression
    if scalar.style is not None or scalar.text != skeleton.mark or not isinstance(last, tree.Filter):
        return None
    if last.name == "quote":
        _check_string(Part(parts[0].index, last.base, parts[0].at))
        return _quoted(scalar, [tree.Emit(last.base, tree.Context.DOUBLE, scalar.line + 1)])
    if last.name == "to_yaml":
        if fields is not None and not fields.holds_strings(scalar.path):
            raise parts[0].at.error("to_yaml: prints strings alone, and this field holds more: write a loop")
        return _replaced(scalar, [tree.Emit(last.base, tree.Context.YAML, scalar.line + 1)])
    return None


def _check_string(part: Part) -> None:
    expression = part.expression
    if not isinstance(expression, tree.Filter):
        return
    if expression.name == "to_yaml":
        raise part.at.error("to_yaml: stands alone as a value, without quotes or text around it")
    if FILTERS[expression.name].result is Kind.LIST:
        raise part.at.error(
            f"{expression.name}: gives a list", hint="loop over it: `{% for ip in block | hosts %}`"
        )


def _replaced(scalar: Scalar, nodes: Sequence[tree.Node]) -> Edit:
    return Edit(scalar.start, scalar.end, tuple(nodes))


def _quoted(scalar: Scalar, nodes: Sequence[tree.Node]) -> Edit:
    quote = tree.Verbatim('"', scalar.line + 1)
    return Edit(scalar.start, scalar.end, (quote, *nodes, quote))


def _joined(scalar: Scalar, parts: Sequence[Part], skeleton: Skeleton) -> tree.Expression:
    """The scalar's whole content as one string."""
    pieces: list[tree.Expression] = []
    for piece in _pieces(scalar, parts, skeleton):
        if isinstance(piece, Part):
            # In a field of its own type quotes are not the author's to choose.
            inner = piece.expression
            quoted = isinstance(inner, tree.Filter) and inner.name == "quote"
            pieces.append(inner.base if isinstance(inner, tree.Filter) and quoted else inner)
        elif piece:
            pieces.append(tree.Text(piece))
    return pieces[0] if len(pieces) == 1 else tree.Join(tuple(pieces))


def _content(scalar: Scalar, parts: Sequence[Part], skeleton: Skeleton) -> Iterator[tree.Node]:
    for piece in _pieces(scalar, parts, skeleton):
        if isinstance(piece, Part):
            yield tree.Emit(piece.expression, tree.Context.DOUBLE, piece.at.line)
        elif piece:
            yield tree.Verbatim(escape_double(piece), scalar.line + 1)


def _pieces(scalar: Scalar, parts: Sequence[Part], skeleton: Skeleton) -> Iterator[str | Part]:
    texts = scalar.text.split(skeleton.mark)
    for text, part in zip(texts, parts, strict=False):
        yield text
        yield part
        yield part.rest
    yield texts[-1]
