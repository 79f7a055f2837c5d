"""What a bundle is called (FORMAT.md 4): never after the directory, which differs from clone to clone."""

from __future__ import annotations

import re

from bob_ci.bundle.manifest import Manifest
from bob_ci.profile.objects import Summary

_MAX = 53  # Helm's limit for a chart's name


def bundle_name(manifest: Manifest, source: str | None, profiles: tuple[Summary, ...]) -> str:
    """`spec.name`, else the last element of the source's path, else the first profile's name."""
    candidates = [manifest.name]
    if source:
        candidates.append(re.split(r"[/:]", source.rstrip("/").removesuffix(".git"))[-1])
    candidates.extend(profile.name for profile in profiles)
    return next((name for name in map(_fitting, candidates) if name), "bob")


def _fitting(name: str) -> str:
    """A name in the letters that Helm and Kubernetes take."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_MAX].strip("-")
