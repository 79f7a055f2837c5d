"""Each command: its result as JSON under its schema, its text, and what it leaves on disk."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from bob_ci.cli.root import root
from bob_ci.version import __version__

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
Bobctl = Callable[..., subprocess.CompletedProcess[str]]
Result = Callable[..., Any]
LAYOUT = "oci-layout:layout"
TAG = f"{LAYOUT}:1.0.0"


# --- The schemas


def objects_in(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects_in(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects_in(inner)


@pytest.mark.parametrize("file", sorted(SCHEMAS.glob("*.json")), ids=lambda file: str(file.stem))
def test_schemas_are_strict(file: Path) -> None:
    schema = json.loads(file.read_bytes())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema"]["const"] == "bobctl/v1"
    assert "schema" in schema["required"]
    for found in objects_in(schema):
        assert found["additionalProperties"] in (False, {"type": "string"}), found


def commands() -> Iterator[tuple[str, Any]]:
    for name in root.list_commands(None):  # type: ignore[arg-type]
        command: Any = root.get_command(None, name)  # type: ignore[arg-type]
        yield name, command.get_command(None, "artifact") if hasattr(command, "commands") else command


def test_every_command_with_a_result_has_a_schema() -> None:
    with_json = {
        name
        for name, command in commands()
        for parameter in command.params
        if parameter.name == "form" and "json" in parameter.type.choices
    }
    assert with_json == {file.stem for file in SCHEMAS.glob("*.json")}


# --- publish, push


def test_publish(bundle: Path, result: Result) -> None:
    found = result("publish", bundle, TAG, "--tag", "stable", "--tag", "1")
    assert list(found) == [
        "schema", "reference", "digest", "tags", "source", "revision", "created", "platforms", "signatures",
        "attestations", "links", "findings", "steps", "changed",
    ]  # fmt: skip
    assert (found["reference"], found["tags"]) == (TAG, ["1.0.0", "1", "stable"])
    assert (found["created"], found["changed"]) == ("2026-01-02T03:04:05Z", True)
    assert found["findings"] == {"error": 0, "warning": 0}
    assert [step["name"] for step in found["steps"]] == ["push", "tag"]
    assert [part["platform"] for part in found["platforms"]] == ["linux/amd64"]


def test_publish_again(bundle: Path, published: str, result: Result, bobctl: Bobctl) -> None:
    found = result("publish", bundle, TAG)
    assert (found["digest"], found["changed"]) == (published, False)
    assert bobctl("publish", bundle, TAG).stdout.startswith(f"unchanged {TAG}\n")


def test_publish_as_text(bundle: Path, bobctl: Bobctl) -> None:
    done = bobctl("publish", bundle, TAG)
    assert done.stdout.startswith(f"published {TAG}\n  digest     sha256:")
    assert "notice:" not in done.stdout
    assert "notice: the bundle is in no git repository" in done.stderr


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_publish_keeps_what_is_there(
    bundle: Path, result: Result, bobctl: Bobctl, dry: tuple[str, ...]
) -> None:
    (bundle / "bob.values").write_text("name=other\n")
    found = result("publish", bundle, TAG, "--if-exists", "skip", *dry)
    assert (found["changed"], found["tags"], found["platforms"]) == (False, [], [])
    assert found["reference"] == f"{TAG}@{found['digest']}"
    done = bobctl("publish", bundle, TAG, "--if-exists", "skip", *dry)
    assert (
        done.stdout.removeprefix("would keep ").removeprefix("kept ").startswith(f"{TAG}: exists, as sha256:")
    )


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_publish_fails_where_something_else_is(bundle: Path, bobctl: Bobctl, dry: tuple[str, ...]) -> None:
    assert bobctl("publish", bundle, TAG, "--if-exists", "fail", *dry).returncode == 0
    (bundle / "bob.values").write_text("name=other\n")
    done = bobctl("publish", bundle, TAG, "--if-exists", "fail", *dry)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: {TAG}: exists, as sha256:" in done.stderr


def test_dry_run_is_the_publish_that_follows(here: Path, bundle: Path, result: Result) -> None:
    dry = result("publish", bundle, TAG, "--tag", "stable", "--dry-run")
    assert [path.name for path in here.iterdir()] == ["bundle"]
    real = result("publish", bundle, TAG, "--tag", "stable")
    assert dry["dryRun"] is True
    assert {key: real[key] for key in real if key != "steps"} == {
        key: dry[key] for key in real if key != "steps"
    }
    assert [move["tag"] for move in dry["plan"]["tags"]] == real["tags"]
    assert dry["plan"]["permissions"] == [f"write access to {LAYOUT}"]
    stored = {f"sha256:{path.name}" for path in (here / "layout/blobs/sha256").iterdir()}
    assert {write["digest"] for write in dry["plan"]["writes"]} == stored


def test_dry_run_as_text(here: Path, bundle: Path, bobctl: Bobctl) -> None:
    done = bobctl("publish", bundle, TAG, "--dry-run")
    assert done.stdout.startswith(f"would publish {TAG}\n")
    assert "  tag        1.0.0  - → sha256:" in done.stdout
    assert f"  needs      write access to {LAYOUT}" in done.stdout
    assert not (here / "layout").exists()
    bobctl("publish", bundle, TAG)
    assert "needs" not in bobctl("publish", bundle, TAG, "--dry-run").stdout


def test_push_is_publish_without_lint(bundle: Path, result: Result, bobctl: Bobctl) -> None:
    (bundle / "bob.yaml").write_text((bundle / "bob.yaml").read_text() + "  unknown: 1\n")
    assert bobctl("publish", bundle, "oci-layout:a:1").returncode == 3
    pushed = result("push", "artifact", "oci-layout:a:1", "--path", bundle)
    published = result("publish", bundle, "oci-layout:b:1", "--no-lint")
    assert pushed["digest"] == published["digest"]


def test_push_accepts_what_publish_refuses(here: Path, result: Result, bobctl: Bobctl) -> None:
    (here / "plain").mkdir()
    (here / "plain/kustomization.yaml").write_text("resources: []\n")
    refused = bobctl("publish", "plain", TAG)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "plain: no bundle" in refused.stderr
    assert "hint: `bobctl push artifact` packs any directory as it is" in refused.stderr
    assert not (here / "layout").exists()
    found = result("push", "artifact", TAG, "--path", "plain")
    assert len(found["platforms"]) == 1


# --- list, describe, tag, pull


@pytest.mark.usefixtures("published")
def test_list(here: Path, result: Result, bobctl: Bobctl) -> None:
    bobctl("tag", "artifact", TAG, "--tag", "latest")
    found = result("list", "artifact", LAYOUT)
    assert found["repository"] == LAYOUT
    assert [row["tag"] for row in found["artifacts"]] == ["1.0.0", "latest"]
    table = bobctl("list", "artifact", LAYOUT, "--limit", "1").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["TAG", "1.0.0"]
    blobs = here / "layout/blobs/sha256"
    (blobs / found["artifacts"][0]["digest"].removeprefix("sha256:")).unlink()
    (row, _) = result("list", "artifact", LAYOUT)["artifacts"]
    assert set(row) == {"tag", "problem"}


def test_list_of_a_layout_without_tags(published: str, here: Path, result: Result) -> None:
    index = json.loads((here / "layout/index.json").read_bytes())
    del index["manifests"][0]["annotations"]
    (here / "layout/index.json").write_text(json.dumps(index))
    assert result("list", "artifact", LAYOUT)["artifacts"] == []
    assert result("describe", "artifact", f"{LAYOUT}@{published}")["digest"] == published


@pytest.mark.parametrize("selector", [":1.0.0", "@sha256:" + "0" * 64])
@pytest.mark.usefixtures("published")
def test_list_takes_a_repository(bobctl: Bobctl, selector: str) -> None:
    done = bobctl("list", "artifact", LAYOUT + selector)
    assert (done.returncode, done.stdout) == (2, "")
    assert "one artifact, not a repository" in done.stderr
    assert f"bobctl describe artifact {LAYOUT}{selector}" in done.stderr


def test_describe(published: str, result: Result, bobctl: Bobctl) -> None:
    found = result("describe", "artifact", TAG)
    assert (found["digest"], found["name"], found["version"]) == (published, "web", "1.2.3")
    assert found["reference"] == f"{LAYOUT}@{published}"
    assert found["images"] == ["ghcr.io/acme/web"]
    (allows,) = found["allows"]
    assert (allows["profile"], allows["executables"], allows["ingress"]) == ("web", 1, None)
    text = bobctl("describe", "artifact", TAG).stdout
    assert text.startswith(f"{TAG}  web 1.2.3\n")
    assert published in text
    mermaid = bobctl("describe", "artifact", TAG, "--format", "mermaid").stdout
    assert mermaid.startswith('flowchart LR\n  bob["web<br/>sha256:')


def test_tag(published: str, result: Result, bobctl: Bobctl) -> None:
    found = result("tag", "artifact", TAG, "--tag", "stable", "--tag", "1", "--tag", "1")
    assert (found["digest"], found["tags"]) == (published, ["1", "stable"])
    assert bobctl("tag", "artifact", TAG, "--tag", "x").stdout == f"tagged {LAYOUT}:x  {published}\n"
    assert [row["digest"] for row in result("list", "artifact", LAYOUT)["artifacts"]] == [published] * 4


@pytest.mark.usefixtures("published")
def test_no_tag_moves_when_one_is_none(bobctl: Bobctl, result: Result) -> None:
    assert bobctl("tag", "artifact", TAG, "--tag", "good", "--tag", "not/good").returncode == 2
    assert [row["tag"] for row in result("list", "artifact", LAYOUT)["artifacts"]] == ["1.0.0"]


def test_pull(here: Path, bundle: Path, published: str, result: Result, bobctl: Bobctl) -> None:
    found = result("pull", "artifact", TAG, "--output", "out", "--platform", "linux/amd64")
    assert (found["digest"], found["platform"]) == (published, "linux/amd64")
    pulled = [
        path.relative_to(here / "out").as_posix() for path in (here / "out").rglob("*") if path.is_file()
    ]
    assert found["files"] == sorted(pulled)
    for file in bundle.iterdir():
        assert (here / "out" / file.name).read_bytes() == file.read_bytes()
    text = bobctl("pull", "artifact", TAG, "--output", "text", "--include", "rendered").stdout
    assert text.startswith(f"pulled {LAYOUT}@{published}\n")
    assert text.endswith("  files      2 in text\n")


@pytest.mark.usefixtures("published")
def test_pull_overwrites_only_when_told(here: Path, bobctl: Bobctl) -> None:
    (here / "out").mkdir()
    (here / "out/bob.values").write_text("mine")
    assert bobctl("pull", "artifact", TAG, "--output", "out").returncode == 1
    assert [path.name for path in (here / "out").iterdir()] == ["bob.values"]
    assert (here / "out/bob.values").read_text() == "mine"
    assert bobctl("pull", "artifact", TAG, "--output", "out", "--overwrite").returncode == 0
    assert (here / "out/bob.values").read_text() == "name=web\n"


# --- render, chart, lint


def test_render(here: Path, bundle: Path, result: Result, bobctl: Bobctl) -> None:
    kinds = [found["kind"] for found in result("render", bundle)["objects"]]
    assert kinds == ["ContainerProfile", "Service"]
    stream = bobctl("render", bundle, "--set", "name=shop").stdout
    assert [found["metadata"]["name"] for found in yaml.safe_load_all(stream)] == ["shop", "shop"]
    written = result("render", bundle, "--output", "out")["files"]
    assert written == ["out/bob.yaml", "out/deployment.yaml"]
    assert bobctl("render", bundle, "--output", "out").returncode == 1
    assert bobctl("render", bundle, "--output", "out", "--overwrite").stdout.split() == written
    assert "---\n".join((here / file).read_text() for file in written) == bobctl("render", bundle).stdout


def test_render_of_what_json_has_no_word_for(bundle: Path, result: Result) -> None:
    (bundle / "deployment.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata:\n"
        "  creationTimestamp: 2025-05-12T12:45:42Z\n  day: 2025-05-12\n  raw: !!binary aGk=\n"
    )
    metadata = result("render", bundle)["objects"][1]["metadata"]
    assert metadata == {"creationTimestamp": "2025-05-12T12:45:42Z", "day": "2025-05-12", "raw": "aGk="}


@pytest.mark.parametrize("value", [".inf", "!!set {a, b}", "{? [a, b] : c}", "{2026-01-02: x}", "2026-99-99"])
def test_render_of_what_no_object_holds(bundle: Path, bobctl: Bobctl, value: str) -> None:
    text = f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {value}\n"
    (bundle / "deployment.yaml").write_text(text)
    done = bobctl("render", bundle, "--format", "json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr


def test_a_bundle_that_is_a_chart(here: Path, result: Result, bobctl: Bobctl) -> None:
    (here / "made/templates").mkdir(parents=True)
    (here / "made/Chart.yaml").write_text("apiVersion: v2\nname: made\nversion: 1.0.0\n")
    (here / "made/templates/x.yaml").write_text("kind: {{ .Values.kind }}\n")
    assert result("publish", "made", TAG)["changed"] is True
    assert result("describe", "artifact", TAG)["allows"] == []
    assert result("lint", "made")["findings"] == []
    assert "is a Helm chart: what it renders to is not checked" in bobctl("lint", "made").stderr
    assert bobctl("chart", "made", "--output", "out").returncode == 2
    assert bobctl("publish", "made", TAG, "--set", "kind=x").returncode == 2


def test_chart(here: Path, bundle: Path, published: str, result: Result, bobctl: Bobctl) -> None:
    found = result("chart", bundle, "--output", "chart")
    assert (found["chart"], found["name"], found["version"]) == ("chart", "web", "1.2.3")
    assert bobctl("pull", "artifact", f"{LAYOUT}@{published}", "--output", "out").returncode == 0
    for name in found["files"]:
        assert (here / "chart" / name).read_bytes() == (here / "out/chart" / name).read_bytes()
    assert bobctl("chart", bundle, "--output", "again").stdout == "wrote chart web to again\n"


def test_lint(bundle: Path, result: Result, bobctl: Bobctl) -> None:
    assert result("lint", bundle)["findings"] == []
    (bundle / "bob.values").write_text("name=web\nunused=1\n")
    found = result("lint", bundle, bundle)
    assert found["files"] == 2
    assert [one["severity"] for one in found["findings"]] == ["warning", "warning"]
    done = bobctl("lint", bundle)
    assert done.stdout.startswith(f"{bundle}/bob.values:2:1: warning BOB")


# --- The program


def test_the_console_script(process: Bobctl) -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="bobctl")
    assert script.value == "bob_ci.cli:main"
    done = process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"bobctl {__version__}\n", "")


# --- completion, nouns


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])]
)
def test_completion_scripts_parse(here: Path, bobctl: Bobctl, shell: str, check: list[str]) -> None:
    script = bobctl("completion", shell).stdout
    assert f"_BOBCTL_COMPLETE={shell}_complete" in script
    (here / "script").write_text(script)
    try:
        done = subprocess.run([*check, "script"], capture_output=True, check=False)
    except FileNotFoundError:
        return  # the text was looked at; not every machine has every shell
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("bobctl pub", "publish"),
        ("bobctl list a", "artifact"),
        ("bobctl publish --if-exists ", "replace"),
        ("bobctl pull artifact --inc", "--include"),
    ],
)
def test_completion_answers(process: Bobctl, words: str, expected: str) -> None:
    variables = {
        "_BOBCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = process(env={**os.environ, **variables})
    assert (done.returncode, done.stderr) == (0, "")
    assert f"plain,{expected}" in done.stdout.splitlines()


@pytest.mark.parametrize("verb", ["describe", "list", "pull", "push", "tag"])
def test_nouns(bobctl: Bobctl, verb: str) -> None:
    singular, plural = (bobctl(verb, noun, "--help") for noun in ("artifact", "artifacts"))
    assert (singular.returncode, plural.returncode) == (0, 0)
    assert singular.stdout.replace("artifacts", "artifact") == plural.stdout.replace("artifacts", "artifact")
    forgotten = bobctl(verb, "oci-layout:x")
    assert forgotten.returncode == 2
    assert f"write `bobctl {verb} artifact …`" in forgotten.stderr


@pytest.mark.parametrize("word", ["lints", "renders", "describes", "artifact"])
def test_verbs_have_no_plural(bobctl: Bobctl, word: str) -> None:
    assert bobctl(word, "x").returncode == 2


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(bobctl: Bobctl, flag: str) -> None:
    for name, command in commands():
        words = [name, "artifact"] if hasattr(root.get_command(None, name), "commands") else [name]  # type: ignore[arg-type]
        done = bobctl(*words, flag)
        assert (done.returncode, done.stderr) == (0, "")
        for parameter in command.params:
            assert all(option in done.stdout for option in parameter.opts if option.startswith("--"))
