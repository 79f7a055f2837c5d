"""stdout is the result and nothing else; talk goes to stderr."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from bob_ci.lint.finding import Finding, Severity, count

SCHEMA = "bobctl/v1"
# What would move a terminal's cursor, forge a line, or turn the direction of text.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def print_json(result: Mapping[str, Any]) -> None:
    """A result as JSON, with the schema that it follows first."""
    members = {"schema": SCHEMA, **result}
    click.echo(json.dumps(members, indent=2, ensure_ascii=False, allow_nan=False, default=_json_text))


def _json_text(value: object) -> str:
    """What YAML has a type for and JSON has not: times, and bytes."""
    if isinstance(value, dt.date):  # dt.datetime is one
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no JSON")


def safe(text: str) -> str:
    """Text from others, perhaps hostile, as a terminal may see it: control characters are spelled out."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def notice(text: str) -> None:
    """Something that the user should know, on stderr."""
    click.echo(f"{click.style('notice:', fg='blue', bold=True)} {safe(text)}", err=True)


def say_error(text: str, hint: str | None = None) -> None:
    """What failed, and the next step on a line of its own, on stderr."""
    # Messages of other programs (helm) have several lines.
    lines = "\n".join(map(safe, text.split("\n")))
    click.echo(f"{click.style('error:', fg='red', bold=True)} {lines}", err=True)
    if hint:
        click.echo(f"{click.style('hint:', fg='cyan', bold=True)} {safe(hint)}", err=True)


def say_findings(findings: Iterable[Finding]) -> None:
    """Findings, a line each, on stderr."""
    for finding in findings:
        click.echo(finding_line(finding), err=True)


def finding_line(finding: Finding) -> str:
    """`FILE:LINE:COL: severity CODE message`."""
    severity = click.style(str(finding.severity), fg=_COLOURS[finding.severity], bold=True)
    where = f"{safe(finding.file)}:{finding.line}:{finding.column}"
    return f"{where}: {severity} {finding.code} {safe(finding.message)}"


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many errors and warnings."""
    return {"error": count(findings, Severity.ERROR), "warning": count(findings, Severity.WARNING)}


def fields(rows: Iterable[tuple[str, str | None]]) -> None:
    """Labels and texts, one below the other; a row without text is left out."""
    shown = [(label, text) for label, text in rows if text]
    width = max([10, *(len(label) for label, _ in shown)])
    for label, text in shown:
        click.echo(f"  {safe(label):<{width}} {safe(text)}")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the last one as long as it is."""
    lines = [heads, *([safe(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def short(digest: str | None) -> str:
    """A digest as people compare it."""
    return digest[:19] if digest else "-"


def size(count_of_bytes: int) -> str:
    """Bytes in the unit that fits."""
    amount = float(count_of_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000 or unit == "MB":  # noqa: PLR2004 -- SI units
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("the last unit takes all")
