"""`bobctl lint`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bob_ci.bundle.render import render
from bob_ci.bundle.source import Kind, read_bundle, refuse_plain
from bob_ci.bundle.view import Overrides, platforms_of, view
from bob_ci.cli import FINDINGS, options, output
from bob_ci.lint.finding import Finding, Severity, at_or_above
from bob_ci.lint.run import lint as lint_bundle


@click.command()
@click.argument("bundles", type=options.DIRECTORY, nargs=-1)
@options.values_options
@options.fail_on_option
@options.format_option("text", "json")
def lint(bundles: tuple[Path, ...], overrides: Overrides, fail_on: Severity, form: str) -> int:
    """Check BUNDLES (default: this directory): files, values, placeholders, and what they render to."""
    paths = bundles or (Path(),)
    findings = [finding for path in paths for finding in _findings(path, overrides)]
    if form == "json":
        output.print_json({"files": len(paths), "findings": [_json(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(output.finding_line(finding))
    return FINDINGS if at_or_above(findings, fail_on) else 0


def _findings(path: Path, overrides: Overrides) -> Iterator[Finding]:
    bundle = read_bundle(path)
    refuse_plain(bundle)
    if bundle.kind is Kind.CHART:
        output.notice(f"{path}: is a Helm chart: what it renders to is not checked")
        return
    yield from lint_bundle(
        bundle, [render(view(bundle, platform, overrides)) for platform in platforms_of(bundle)]
    )


def _json(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "path": finding.path,
        "message": finding.message,
        "fixable": finding.fixable,
    }
