"""From a directory to an artifact: everything of the main job that touches nothing but the bundle and git.

A dry run ends here, with every digest known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bob_ci import git
from bob_ci.artifact import (
    CHART_FOLDER,
    CREATED,
    RENDERED_FOLDER,
    REVISION,
    SOURCE,
    About,
    Artifact,
    Content,
    build,
)
from bob_ci.bundle.chart import chart_files
from bob_ci.bundle.manifest import Manifest
from bob_ci.bundle.name import bundle_name
from bob_ci.bundle.render import NAMES, Rendered, render
from bob_ci.bundle.source import Bundle, Kind, read_bundle, refuse_plain
from bob_ci.bundle.view import Overrides, platforms_of, view
from bob_ci.errors import BobError, InputError
from bob_ci.git import Origin
from bob_ci.lint.finding import Finding
from bob_ci.lint.run import lint
from bob_ci.oci.platform import DEFAULT_PLATFORM, Platform

_ANNOTATION = "org.opencontainers.image."


@dataclass(frozen=True)
class Request:
    """What to make an artifact of.

    Attributes:
        path: the bundle's directory.
        platforms: as asked for; empty: what the bundle says.
        overrides: values over the bundle's own.
        source: `--source`; None: what git says.
        revision: `--revision`; None: what git says.
        annotations: further ones, on the index and on every manifest.
        any_directory: also pack a directory that is no bundle.
        require_clean: refuse a tree with changes.
    """

    path: Path
    platforms: tuple[Platform, ...] = ()
    overrides: Overrides = field(default_factory=Overrides)
    source: str | None = None
    revision: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    any_directory: bool = False
    require_clean: bool = False


@dataclass(frozen=True)
class Prepared:
    """The artifact, and what there is to say of it before anything is written."""

    bundle: Bundle
    origin: Origin
    artifact: Artifact
    findings: tuple[Finding, ...]
    notices: tuple[str, ...]


def prepare(request: Request, environ: Mapping[str, str], *, with_lint: bool = True) -> Prepared:
    """Read, render, check, pack.

    Raises:
        InputError: the bundle or an argument is wrong, with file and line.
        BobError: the tree has changes, and it must not.
    """
    bundle = read_bundle(request.path)
    if not request.any_directory:
        refuse_plain(bundle, hint="`bobctl push artifact` packs any directory as it is")
    origin = origin_of(request, environ)
    rendered = _render(bundle, request)
    findings = tuple(lint(bundle, rendered)) if with_lint else ()
    _refuse_annotations(request.annotations)
    about = _about(bundle.manifest, origin, rendered, request.annotations)
    contents = [_content(bundle, one, about.name) for one in rendered] or _as_it_is(bundle, request)
    notices = (*origin.notices, *_notices(bundle, contents))
    return Prepared(bundle, origin, build(contents, about), findings, notices)


# What has a flag or a rule of its own, and stands in the config or decides about it.
_NOT_BY_ANNOTATION = {
    SOURCE: "use --source",
    REVISION: "use --revision",
    CREATED: "it is the commit's time, or SOURCE_DATE_EPOCH",
}


def _refuse_annotations(annotations: Mapping[str, str]) -> None:
    for key in annotations.keys() & _NOT_BY_ANNOTATION.keys():
        raise InputError(f"--annotation {key}: not given this way", hint=_NOT_BY_ANNOTATION[key])


def origin_of(request: Request, environ: Mapping[str, str]) -> Origin:
    """Where the bundle comes from: git, with the flags over it.

    Raises:
        BobError: the tree has changes, and `require_clean` is set.
    """
    origin = git.with_flags(
        git.describe(request.path, environ), source=request.source, revision=request.revision
    )
    if origin.dirty and request.require_clean:
        raise BobError(
            f"{request.path}: the git tree has changes that are not committed",
            hint="commit them, or leave --require-clean out: the revision then ends in -dirty",
        )
    return origin


def _render(bundle: Bundle, request: Request) -> list[Rendered]:
    if bundle.kind is not Kind.BUNDLE:
        if request.overrides.files or request.overrides.assignments:
            raise InputError(
                f"{request.path}: a {bundle.kind.value} is packed as it is: --values and --set do not apply"
            )
        return []
    return [
        render(view(bundle, platform, request.overrides))
        for platform in platforms_of(bundle, request.platforms)
    ]


def _content(bundle: Bundle, rendered: Rendered, name: str) -> Content:
    """Sources at the root, the chart and the rendered objects in folders of their own (FORMAT.md 5).

    Raises:
        InputError: a source lies in one of these folders.
    """
    for file in bundle.files:
        if file.startswith((CHART_FOLDER, RENDERED_FOLDER)):
            folder = file.partition("/")[0]
            raise InputError(
                f"{bundle.where(file)}: cannot be packed: the artifact has its own `{folder}/`",
                hint="move it, and change spec.files of manifest.yaml",
            )
    chart = chart_files(rendered.view, bundle.manifest, name)
    files = {
        **bundle.files,
        **{CHART_FOLDER + file: data for file, data in chart.items()},
        **{RENDERED_FOLDER + NAMES[role]: file.text.encode() for role, file in rendered.files.items()},
    }
    return Content(rendered.view.platform, files, rendered.profiles())


def _as_it_is(bundle: Bundle, request: Request) -> list[Content]:
    if bundle.kind is Kind.CHART:
        return [Content(platform, bundle.files) for platform in platforms_of(bundle, request.platforms)]
    if len(set(request.platforms)) > 1:
        raise InputError(f"{request.path}: a directory that is no bundle is packed for one platform")
    if not bundle.files:
        raise InputError(f"{request.path}: the directory is empty")
    return [Content((request.platforms or (DEFAULT_PLATFORM,))[0], bundle.files)]


def _about(
    manifest: Manifest, origin: Origin, rendered: Sequence[Rendered], annotations: Mapping[str, str]
) -> About:
    profiles = rendered[0].profiles() if rendered else ()
    said = {
        "title": manifest.name,
        "description": manifest.description,
        "authors": manifest.author,
        "licenses": manifest.licenses,
    }
    return About(
        name=bundle_name(manifest, origin.source, profiles),
        created=origin.created,
        source=origin.source,
        revision=origin.revision,
        version=manifest.version,
        images=manifest.images,
        annotations={_ANNOTATION + key: text for key, text in said.items() if text} | dict(annotations),
    )


def _notices(bundle: Bundle, contents: Sequence[Content]) -> list[str]:
    notices = []
    if bundle.kind is not Kind.BUNDLE:
        notices.append(f"{bundle.directory}: is a {bundle.kind.value}, packed as it is")
    if DEFAULT_PLATFORM not in [content.platform for content in contents]:
        notices.append(
            "no linux/amd64 among the platforms: Flux and other readers without platforms find nothing"
        )
    return notices
