"""The pages: every command in them is run, and what they show, link and name is there.

How a page is written:

- A `console` block is run, all of a page in one shell, in a git repository that holds `examples/`. `$ `
  begins a command, a `\\` at its end goes on with it; then comes its output, stderr too. `…` stands for any
  text, alone on a line for any lines. A command may fail only if `$ echo $?` follows.
- `peer=NAME` behind `console`: the block needs that program of tests/peers/build. With `crane-registry` one
  runs, at what the page calls localhost:5000.
- `file=PATH` behind any language: the block is written there first.
- An `sh` block is not run here: its commands need a network or a cluster, or are make's. Those of `bobctl`
  name a registry elsewhere, and are parsed.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from bob_ci.bundle import manifest
from bob_ci.cli.root import root
from bob_ci.oci.reference import RegistryReference, is_loopback
from bob_ci.template.scan import scan

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
ALL_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/bob.yaml"))

BIN = Path(sys.executable).parent
ORIGIN = "git@github.com:example/bundles.git"
DATES = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2025-06-01T12:00:00Z")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- Blocks ------------------------------------------------------------------------------------------

_FENCE = re.compile(r"^```(\S*)[ ]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """What is typed, and what the page shows of its output."""

    text: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    words: str
    text: str

    def word(self, key: str) -> str | None:
        found = re.search(rf"(?:^| ){key}=(\S+)", self.words)
        return found[1] if found else None

    @property
    def commands(self) -> list[Command]:
        lines = self.text.replace("\\\n", "\\\0").splitlines()
        assert lines[0].startswith("$ "), f"{self}: begins with no command"
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        ends = [*starts[1:], len(lines)]
        return [
            Command(lines[start][2:].replace("\\\0", "\\\n"), tuple(lines[start + 1 : end]))
            for start, end in zip(starts, ends, strict=True)
        ]

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2], match[3])


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


ALL_BLOCKS = [block for page in ALL_PAGES for block in blocks(page)]


# --- Commands ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    output: str
    status: int


_END = """
status=$?
printf '\\n\\036%s\\036\\n' "$status"
(exit "$status")
"""


REGISTRY = "localhost:5000"  # as pages name it
SERVER = "crane-registry"


def _peers_of(page: Path) -> list[str]:
    return sorted({peer for block in blocks(page) if (peer := block.word("peer"))})


def _run_page(
    page: Path, work: Path, *, with_peers: bool, registry: str = ""
) -> list[tuple[Block, list[Result]]]:
    """Each block with what its commands did, as if the registry were that of the page."""
    ran: list[Block] = []
    script = ["exec 2>&1 </dev/null\n"]
    for block in blocks(page):
        if file := block.word("file"):
            script.append(
                f"mkdir -p {Path(file).parent} && cat > {file} <<'END_OF_FILE'\n{block.text}END_OF_FILE\n"
            )
        elif block.language == "console" and (with_peers or not block.word("peer")):
            script += [command.text + _END for command in block.commands]
            ran.append(block)
    results = _results("".join(script), work, registry)
    taken = [[next(results, Result("the shell stopped", -1)) for _ in block.commands] for block in ran]
    return list(zip(ran, taken, strict=True))


def _results(script: str, work: Path, registry: str) -> Iterator[Result]:
    shutil.copytree(ROOT / "examples", work / "examples")
    env = {**environ, **DATES, "PATH": f"{BIN}:{environ['PEERS_BIN']}:{environ['PATH']}"}  # conftest sets it
    for arguments in (
        ["init", "--quiet"],
        ["remote", "add", "origin", ORIGIN],
        ["add", "examples"],
        ["commit", "--quiet", "--message", "Bundles"],
    ):
        subprocess.run(["git", *arguments], cwd=work, env=env, check=True)
    if registry:
        script = script.replace(REGISTRY, registry)
    done = subprocess.run(
        ["sh", "-c", script], cwd=work, env=env, check=False, stdout=subprocess.PIPE, timeout=300
    )
    output = done.stdout.decode()
    if registry:
        output = output.replace(registry, REGISTRY)
    parts = re.split("\n\x1e([0-9]+)\x1e\n", output)
    return (Result(parts[at], int(parts[at + 1])) for at in range(0, len(parts) - 1, 2))


def _as_pattern(shown: tuple[str, ...]) -> str:
    lines = (
        "(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n" for line in shown
    )
    return "".join(lines)


def _check(block: Block, results: list[Result]) -> None:
    commands = block.commands
    for position, (command, got) in enumerate(zip(commands, results, strict=True)):
        output = got.output if not got.output or got.output.endswith("\n") else got.output + "\n"
        shown = "\n".join(command.shown)
        is_shown = re.fullmatch(_as_pattern(command.shown), output) is not None
        assert is_shown, f"{block}: $ {command.text}\n--- the page\n{shown}\n--- the command\n{output}"
        is_asked = commands[position + 1 : position + 2] == [Command("echo $?", (str(got.status),))]
        assert got.status == 0 or is_asked, f"{block}: $ {command.text}: exit {got.status}: {output}"


def _runs() -> Iterator[Any]:
    """Every page without peers; where it has blocks for programs among them, all of it as well."""
    for page in PAGES:
        yield pytest.param(page, False, id=name_of(page))
        peers = _peers_of(page)
        if peers and SERVER not in peers:
            yield pytest.param(page, True, id=f"{name_of(page)}, peers", marks=pytest.mark.peer(*peers))


@pytest.mark.parametrize(("page", "with_peers"), list(_runs()))
def test_commands_print_what_is_shown(page: Path, with_peers: bool, tmp_path: Path) -> None:  # noqa: FBT001
    for block, results in _run_page(page, tmp_path, with_peers=with_peers):
        _check(block, results)


@pytest.mark.peer(SERVER)
@pytest.mark.parametrize("page", [page for page in PAGES if SERVER in _peers_of(page)], ids=name_of)
def test_commands_with_a_registry_print_what_is_shown(page: Path, registry: str, tmp_path: Path) -> None:
    assert _peers_of(page) == [SERVER], "one page, one kind of peer"
    for block, results in _run_page(page, tmp_path, with_peers=True, registry=registry):
        _check(block, results)


@pytest.mark.parametrize(
    ("shown", "output", "fits"),
    [
        (("a", "b"), "a\nb\n", True),
        (("a",), "a\nb\n", False),
        (("a…c",), "abc\n", True),
        (("a…c",), "ab\nc\n", False),
        (("a", "…"), "a\nb\nc\n", True),
        (("a", "…"), "a\n", True),
        (("…", "c"), "a\nb\nc\n", True),
        ((), "", True),
        ((), "a\n", False),
        (("a.c",), "abc\n", False),
    ],
)
def test_ellipsis_is_the_only_wildcard(shown: tuple[str, ...], output: str, fits: bool) -> None:  # noqa: FBT001
    assert (re.fullmatch(_as_pattern(shown), output) is not None) is fits


# --- Commands that are not run here ------------------------------------------------------------------


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


NOT_RUN = {"docker", "kubectl", "helm", "oras"}


def _parsed(words: list[str]) -> click.Context:
    """A command line of bobctl, read and not called."""
    command: click.Command = root
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found, f"no such command: {words[0]}"
        command, words = found, words[1:]
    return command.make_context("bobctl", list(words))


def _sh_lines() -> Iterator[Any]:
    for block in ALL_BLOCKS:
        if block.language == "sh":
            for line in block.text.splitlines():
                words = shlex.split(line.partition(" <")[0], comments=True)
                yield pytest.param(words, id=f"{block}: {line}")


@pytest.mark.parametrize("words", list(_sh_lines()))
def test_commands_that_are_not_run_could_be(words: list[str]) -> None:
    match words:
        case ["make", target]:
            assert target in _make_targets()
        case ["pip", "install", what]:
            name = re.fullmatch(r"(?:bob-ci|\.)(?:\[([a-z,]+)\])?", what)
            assert name
            assert set((name[1] or "all").split(",")) <= _extras()
        case ["bobctl", *arguments]:
            reference = _parsed(arguments).params["reference"]
            is_elsewhere = isinstance(reference, RegistryReference) and not is_loopback(reference.registry)
            assert is_elsewhere, "write it as a `console` block, then it is run"
        case [program] if program.startswith("."):
            assert (ROOT / program).is_file()
        case [program, *_]:
            assert program in NOT_RUN, "write it as a `console` block, then it is run"


def test_blocks_say_what_they_are() -> None:
    known = {"", "console", "sh", "yaml", "ini", "mermaid", "python"}
    assert [str(block) for block in ALL_BLOCKS if block.language not in known] == []


# --- Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [pytest.param(b, id=str(b)) for b in ALL_BLOCKS if b.language == "yaml"])
def test_yaml_is_yaml(block: Block) -> None:
    documents = list(yaml.safe_load_all(scan(block.text, str(block)).text))
    assert all(isinstance(document, dict) for document in documents)
    if (block.word("file") or "").endswith("manifest.yaml"):
        assert manifest.read(block.text, str(block)).name


# --- Links -------------------------------------------------------------------------------------------


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, blanks to `-`, letters, digits, `-` and `_` kept."""
    heads = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def _links(page: Path) -> list[str]:
    text = re.sub(r"(?<!\[)`[^`\n]*`(?!\])", "", prose(page))
    found: list[str] = re.findall(r"\]\(([^)\s]+)\)", text)
    return found


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _links(page):
        if re.match("https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        assert not anchor or anchor in _anchors(target), f"{name_of(page)}: {link}"


def test_readme_links_every_page() -> None:
    assert {name_of(page) for page in DOCS} <= set(_links(README))


# --- Flags -------------------------------------------------------------------------------------------


def _flags() -> dict[str, set[str]]:
    """The flags of every command, by its name: `lint`, `pull artifact`."""
    found: dict[str, set[str]] = {}

    def add(name: str, command: click.Command) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for inner in command.list_commands(context):
                child = command.get_command(context, inner)
                assert child
                add(f"{name} {inner}".strip(), child)
        else:
            found[name] = {flag for option in command.params for flag in option.opts if flag.startswith("--")}

    add("", root)
    return found


FLAGS = _flags()
OTHERS = {"--set-string"}  # helm's
_FLAG = re.compile(r"--[a-z][a-z-]*")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_flags_exist(page: Path) -> None:
    known = set().union(*FLAGS.values(), OTHERS)
    for span in re.findall(r"`([^`\n]+)`", prose(page)):
        words = span.removeprefix("bobctl ") + " "
        command = next((name for name in FLAGS if words.startswith(f"{name} ")), None)
        if flags := set(_FLAG.findall(span)):
            assert flags <= (FLAGS[command] if command else known), f"{name_of(page)}: `{span}`"


def test_every_flag_is_in_the_pages() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(_FLAG.findall(text))
    assert {name: flags - named for name, flags in FLAGS.items() if flags - named} == {}


def test_every_command_is_in_the_pages() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in FLAGS if not re.search(rf"(?:bobctl |`){name}\b", text)] == []


# --- Messages ----------------------------------------------------------------------------------------


def _messages() -> Iterator[str]:
    text = prose(ROOT / "docs" / "troubleshooting.md").partition("## Helm")[0]
    for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        yield from re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("message", list(_messages()))
def test_messages_are_still_said(message: str) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bob_ci").rglob("*.py"))
    assert [part for part in message.split("…") if part.strip() not in sources] == []


# --- Examples ----------------------------------------------------------------------------------------

PLATFORMS = ("linux/amd64", "linux/arm64")


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _bobctl(*arguments: str | Path) -> str:
    return _run(BIN / "bobctl", *arguments)


def _by_name(text: str) -> dict[tuple[str, str], Any]:
    found = [each for each in yaml.safe_load_all(text) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_examples_are_clean(example: Path) -> None:
    assert _bobctl("lint", example) == ""


@pytest.mark.peer("helm", "helm3")
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_helm_gives_the_objects_of_examples(
    example: Path, platform: str, peers: Mapping[str, Path], tmp_path: Path
) -> None:
    _bobctl("chart", example, "--platform", platform, "--output", tmp_path)
    rendered = _by_name(_bobctl("render", example, "--platform", platform))
    assert rendered
    for helm in (peers["helm"], peers["helm3"]):
        assert _run(helm, "lint", "--strict", "--quiet", tmp_path) == ""
        assert _by_name(_run(helm, "template", "release", tmp_path, "--skip-tests")) == rendered
