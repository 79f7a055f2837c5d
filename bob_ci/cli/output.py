"""stdout is the result and nothing else; talk goes to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from bob_ci.lint.finding import Finding, Severity, count

SCHEMA = "bobctl/v1"
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def print_json(result: Mapping[str, Any]) -> None:
    """A result as JSON, with the schema that it follows first."""
    click.echo(json.dumps({"schema": SCHEMA, **result}, indent=2, ensure_ascii=False))


def notice(text: str) -> None:
    """Something that the user should know, on stderr."""
    click.echo(f"{click.style('notice:', fg='blue', bold=True)} {text}", err=True)


def say_findings(findings: Iterable[Finding]) -> None:
    """Findings, a line each, on stderr."""
    for finding in findings:
        click.echo(finding_line(finding), err=True)


def finding_line(finding: Finding) -> str:
    """`FILE:LINE:COL: severity CODE message`."""
    severity = click.style(str(finding.severity), fg=_COLOURS[finding.severity], bold=True)
    return f"{finding.file}:{finding.line}:{finding.column}: {severity} {finding.code} {finding.message}"


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many errors and warnings."""
    return {"error": count(findings, Severity.ERROR), "warning": count(findings, Severity.WARNING)}


def fields(rows: Iterable[tuple[str, str | None]]) -> None:
    """Labels and texts, one below the other; a row without text is left out."""
    for label, text in rows:
        if text:
            click.echo(f"  {label:<10} {text}")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the last one as long as it is."""
    lines = [heads, *rows]
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
