"""`bobctl publish`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from bob_ci.artifact import Artifact
from bob_ci.bundle.view import Overrides
from bob_ci.cli import FINDINGS, options, output
from bob_ci.lint.finding import Severity, at_or_above
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.platform import Platform
from bob_ci.oci.reference import Reference
from bob_ci.oci.store import Store
from bob_ci.prepare import Prepared, Request, prepare
from bob_ci.publish import IfExists, Plan, Published, Target, plan, target
from bob_ci.publish import publish as publish_artifact


@click.command()
@options.bundle_argument
@options.reference_argument
@options.platforms_option
@options.values_options
@options.origin_options
@options.registry_options
@options.conditions_options
@click.option("--no-lint", is_flag=True, help="Do not check the bundle first.")
@options.fail_on_option
@click.option("--dry-run", is_flag=True, help="Compute every digest, print the plan, write nothing.")
@options.format_option("text", "json")
def publish(
    bundle: Path,
    reference: Reference,
    overrides: Overrides,
    platforms: tuple[Platform, ...],
    source: str | None,
    revision: str | None,
    annotations: tuple[tuple[str, str], ...],
    tags: tuple[str, ...],
    if_exists: str,
    if_changed: bool,
    require_clean: bool,
    no_lint: bool,
    fail_on: Severity,
    dry_run: bool,
    form: str,
    connection: Connection,
) -> int:
    """Lint, render, pack and push BUNDLE for every platform, then move the tags of REFERENCE."""
    request = Request(
        bundle, platforms, overrides, source, revision, dict(annotations), require_clean=require_clean
    )
    prepared = prepare(request, os.environ, with_lint=not no_lint)
    for text in prepared.notices:
        output.notice(text)
    output.say_findings(prepared.findings)
    if at_or_above(prepared.findings, fail_on):
        click.echo(f"not published: there are findings of severity {fail_on} or worse", err=True)
        return FINDINGS
    where = target(reference, prepared, tags=tags, if_exists=IfExists(if_exists), if_changed=if_changed)
    store = open_store(where.reference, connection)
    if dry_run:
        show_plan(prepared, where, store, form)
    else:
        show_published(prepared, publish_artifact(prepared, where, store), form)
    return 0


def show_published(prepared: Prepared, published: Published, form: str) -> None:
    """The report of a publish."""
    if form == "json":
        output.print_json(report(prepared, published))
        return
    if published.skipped:
        click.echo(f"kept {published.skipped}")
        return
    verb = "published" if published.changed else "unchanged"
    click.echo(f"{click.style(verb, fg='green', bold=True)} {published.reference}")
    output.fields([("digest", published.digest), ("tags", ", ".join(published.tags))])
    _show_artifact(prepared)


def _show_artifact(prepared: Prepared) -> None:
    for child in prepared.artifact.children:
        descriptor = child.layer.descriptor
        line = f"{child.platform}  {child.manifest.descriptor.digest}  {output.size(descriptor.size)}"
        output.fields([("platform", line)])
    origin = prepared.origin
    output.fields([("source", origin.source), ("revision", origin.revision), ("created", origin.created)])


def report(prepared: Prepared, published: Published) -> dict[str, Any]:
    """The report as JSON (CLI.md, `publish --format json`)."""
    origin = prepared.origin
    return {
        "reference": str(published.reference),
        "digest": published.digest,
        "tags": list(published.tags),
        "source": origin.source,
        "revision": origin.revision,
        "created": origin.created,
        "platforms": _platforms(prepared.artifact) if not published.skipped else [],
        "signatures": [],
        "attestations": [],
        "links": [],
        "findings": output.counts(prepared.findings),
        "steps": [{"name": step.name, "seconds": step.seconds} for step in published.steps],
        "changed": published.changed,
    }


def _platforms(artifact: Artifact) -> list[dict[str, Any]]:
    return [
        {
            "platform": str(child.platform),
            "digest": child.manifest.descriptor.digest,
            "size": child.layer.descriptor.size,
            "layerDigest": child.layer.descriptor.digest,
            "contentDigest": child.content_digest,
        }
        for child in artifact.children
    ]


def show_plan(prepared: Prepared, where: Target, store: Store, form: str) -> None:
    """What a publish would do."""
    planned = plan(prepared, where, store)
    if form == "json":
        output.print_json(
            {**report(prepared, planned.outcome), "dryRun": True, "plan": _plan(planned, store)}
        )
        return
    if planned.outcome.skipped:
        click.echo(f"would keep {planned.outcome.skipped}")
        return
    click.echo(f"would publish {where.reference}")
    output.fields([("digest", prepared.artifact.digest)])
    _show_artifact(prepared)
    for write in planned.writes:
        state = "there already" if write.present else "to write"
        blob = write.descriptor
        output.fields([("blob", f"{blob.digest}  {output.size(blob.size)}  {state}")])
    for move in planned.moves:
        same = move.before == move.after
        state = "unchanged" if same else f"{output.short(move.before)} → {output.short(move.after)}"
        output.fields([("tag", f"{move.tag}  {state}")])
    output.fields(("needs", text) for text in _permissions(planned, store))


def _plan(planned: Plan, store: Store) -> dict[str, Any]:
    return {
        "writes": [
            {
                "digest": write.descriptor.digest,
                "mediaType": write.descriptor.media_type,
                "size": write.descriptor.size,
                "present": write.present,
            }
            for write in planned.writes
        ],
        "tags": [{"tag": move.tag, "from": move.before, "to": move.after} for move in planned.moves],
        "permissions": _permissions(planned, store),
    }


def _permissions(planned: Plan, store: Store) -> list[str]:
    return [f"write access to {store.name}"] if planned.outcome.changed else []
