"""`bobctl render` and `helm template` of the chart give the same objects: generated templates and values.

BOB_EXAMPLES=2000 runs more of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from bob_ci.bundle.schema import values_schema
from bob_ci.bundle.values import Values, read_yaml
from bob_ci.bundle.view import check
from bob_ci.errors import InputError
from bob_ci.lint.document import documents
from bob_ci.lint.schema import label_not_string, wrong_type
from bob_ci.profile.schema import fields_of
from bob_ci.template.compiler import compile_template
from bob_ci.template.evaluate import evaluate
from bob_ci.template.gotemplate import helpers, to_go_template
from bob_ci.template.outline import Document
from bob_ci.template.tree import Template
from bob_ci.template.uses import uses

Helm = Callable[..., subprocess.CompletedProcess[str]]
Draw = Callable[[st.SearchStrategy[Any]], Any]

EXAMPLES = int(os.environ.get("BOB_EXAMPLES", "100"))

# --- Values -------------------------------------------------------------------------------------------

ODD = [
    "7655567946", "1e10", "no", "~", "012", "12:30", "", " x ", "null", "0x1F", "2025-10-17", "172.16",
    "=", "<<", 'say "hi"', "back\\slash", "it's", "two\nlines", "\nfirst", "last\n", "tab\there", "⋯", "🙂",
    "é\u00a0", "{{ .Values }}", "{% if %}", "$values.a", "{{", "}}", "{", "# no", "a: b", "- x", "*a",
    "&a", "!b", "%", "@", "`", "[", "]", "{}", ",", "?", "|", ">", "---", "...", "'", '"', "\\n",
    "${values.a}", "<no value>", "-1", ".",
]  # fmt: skip
CHARACTERS = st.characters(
    exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff"
)
NASTY = st.sampled_from(ODD) | st.text(CHARACTERS, max_size=6)
WORDS = st.sampled_from(
    ["web", "a-b", "7655567946", "1e10", "no", "12:30", "x.y/z", "v1", "012", "a b", "-x", "true"]
)
LINES = st.sampled_from(
    ["one line", "# no comment", "--- x", "a: b", "", "'", '"', "⋯ \\", "- y", "{{ z }}", "|"]
)
PARAGRAPHS = st.sampled_from(
    ["", "one", "one\ntwo", "one\n\ntwo\n", "one\n  two", "x\n\n\n", "a\n#\n---\nb: c"]
)
BLOCKS = st.builds(
    "{}.{}.{}.{}/{}".format, *[st.sampled_from([0, 1, 9, 10, 99, 100, 254, 255])] * 4, st.integers(29, 32)
)
ROW = {"key": NASTY, "tags": st.lists(NASTY, max_size=2)}


def values(rows: st.SearchStrategy[list[dict[str, Any]]]) -> st.SearchStrategy[dict[str, Any]]:
    known = {
        "a": NASTY,
        "b": NASTY,
        "name": WORDS,
        "namespace": WORDS,
        "line": LINES,
        "paragraph": PARAGRAPHS,
        "port": st.sampled_from(["80", "0", "65535", "-1", "7655567946"]),
        "flag": st.sampled_from(["true", "false"]),
        "mode": st.sampled_from(["x", "y", ""]),
        "block": BLOCKS,
        "tree": st.fixed_dictionaries({"a": NASTY, "b": st.fixed_dictionaries({"c": NASTY, "n": WORDS})}),
        "rows": rows,
        "LIST": st.lists(NASTY, max_size=3),
        "WORDS": st.lists(WORDS, max_size=3),
        "CIDR": st.lists(BLOCKS, max_size=2),
    }
    return st.fixed_dictionaries(known)


# The chart's schema knows the keys that the bundle's values have: others may lack one, but bring no new one.
OWN = values(st.lists(st.fixed_dictionaries({**ROW, "more": NASTY}), min_size=1, max_size=3))
OTHER = values(st.lists(st.fixed_dictionaries(ROW, optional={"more": NASTY}), max_size=3))


# --- Templates ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Names:
    """Expressions that can be used at one place, by what their values are good for."""

    any: tuple[str, ...] = ("values.a", "values.b", "values.tree.a", "values.tree.b.c")
    word: tuple[str, ...] = ("values.name", "values.namespace", "values.tree.b.n")
    blocks: tuple[str, ...] = ("values.block",)
    loops: tuple[str, ...] = ()

    def inside(self, name: str, **more: tuple[str, ...]) -> Names:
        grown = {kind: getattr(self, kind) + extra for kind, extra in more.items()}
        return Names(**{**self.__dict__, **grown, "loops": (*self.loops, name)})


FILTERS = {
    "any": [
        "lower", "upper", "trim", "quote", "indent(2)", "default('-')",
        "replace('a', '(')", 'replace("\\\\", values.b)', "to_yaml | lower",
    ],
    "word": ["lower", "upper", "trim", "default('d')", "replace('-', '_')"],
    "blocks": ["network", "netmask", "prefixlen", "hosts | join('/')", "hosts | join(', ')"],
}  # fmt: skip


class Writer:
    """Draws the lines of a template."""

    def __init__(self, draw: Draw, *, jinja: bool, profile: bool) -> None:
        self.draw = draw
        self.jinja = jinja
        self.profile = profile
        self.loops = 0

    def one_of(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def chance(self, of: int) -> bool:
        return bool(self.draw(st.integers(1, of)) == of)

    # expressions

    def placeholder(self, names: Names, kinds: Sequence[str]) -> str:
        kind = self.one_of(*kinds)
        name = self.one_of(*getattr(names, kind))
        if not name.startswith("values."):
            return self.output(name, kind, names)
        form = (
            self.one_of("seed", "braced", "output", "output") if self.jinja else self.one_of("seed", "braced")
        )
        if form == "seed":
            return f"${name}"
        return f"${{{name}}}" if form == "braced" else self.output(name, kind, names)

    def output(self, name: str, kind: str, names: Names) -> str:
        if names.loops and self.chance(6):
            return "{{ loop.index }}"
        filters = FILTERS[kind]
        chain = "".join(f" | {self.one_of(*filters)}" for _ in range(self.draw(st.integers(0, 2))))
        if kind == "blocks":
            chain = f" | {self.one_of(*filters)}"
        if "to_yaml" in chain:
            chain = " | quote"
        return f"{{{{ {name}{chain} }}}}"

    def condition(self, names: Names) -> str:
        simple = [
            'values.mode == "x"',
            "values.mode != 'y'",
            "values.LIST",
            "not values.CIDR",
            "values.a | lower == values.b",
            "values.mode | default('x') == 'x'",
            "values.tree.nothing | default('') == ''",
            *(f"{name} != values.a" for name in names.any if not name.startswith("values.")),
            *(f"{name} == 'web'" for name in names.word if not name.startswith("values.")),
            *(["loop.index == 1", "loop.index != 2", "1 == loop.index"] if names.loops else []),
        ]
        first, second = self.one_of(*simple), self.one_of(*simple)
        return str(self.one_of(first, f"{first} and {second}", f"not ({first} or {second})", f"not {first}"))

    # scalars

    def text(self, *odd: str) -> str:
        plain = ["", "", "a", "x y", "⋯", "$", "}", "%}", "-", "🙂", "$values", "#x"]
        return str(self.one_of(*plain, *odd, *([] if self.jinja else ["{", "{{ .Name }}", "{{", "{{- end"])))

    def tail(self) -> str:
        """Text that is no part of a name before it."""
        return str(self.one_of("", "", " x", "-", "⋯", "}", "🙂", "/a", ". ", "$"))

    def scalar(self, names: Names) -> str:
        every = ("any", "word", "blocks") if self.jinja else ("any", "word")
        style = self.one_of("double", "double", "single", "plain", "constant")
        if style == "constant":
            odd = "{% raw %}{{ x }} {% for{% endraw %}" if self.jinja else "{{"
            return str(self.one_of('"7655567946"', "'no'", "plain", f'"{odd}"'))
        if style == "double":
            parts = (
                self.text("\\\\", '\\"', "\\t", "'", ": ", " # ")
                + self.placeholder(names, every)
                + self.tail()
                for _ in "ab"
            )
            return '"' + "".join(parts) + self.tail() + '"'
        if style == "single":
            kinds = every if self.profile else ("word",)
            before = self.text("''", '"', "\\")
            return f"'{before}{self.placeholder(names, kinds)}{self.tail()}'"
        kinds = every if self.profile else ("word",)
        before, behind = self.one_of("", "x", "a/b "), self.one_of("", "-y", ".z", " # c")
        return f"{before}{self.placeholder(names, kinds)}{behind}"

    def block_scalar(self, pad: str, names: Names) -> list[str]:
        lines = [self.one_of("|", ">", "|-", ">-", "|2", "|+") + self.one_of("", " # header")]
        for _ in range(self.draw(st.integers(1, 3))):
            kind = self.one_of("text", "line", "blank", "lines", "if")
            if kind == "lines" and self.jinja:
                lines.append(f"{pad}  > {{{{ values.paragraph | indent({len(pad) + 2}) }}}}")
            elif kind == "if" and self.jinja:
                lines += [f"{{% if {self.condition(names)} %}}", f"{pad}  {self.text()}?", "{% endif %}"]
            elif kind == "blank":
                lines.append("")
            else:
                value = self.one_of("$values.line", "${values.name}") if kind == "line" else "text"
                lines.append(f"{pad}  {self.one_of('', 'x ')}{value}{self.tail()}")
        if not any(line.strip() and not line.startswith("{%") for line in lines[1:]):
            lines.append(f"{pad}  end")
        return lines

    # collections

    def entry(self, lead: str, pad: str, names: Names, depth: int) -> list[str]:
        """The lines of a key or a dash with its value; `pad` is where the value's own lines begin."""
        deep = ("map", "list", "flow") if depth > 0 else ()
        kind = self.one_of("scalar", "scalar", "block", "folded", *deep)
        if kind == "map":
            return [lead, *self.pairs(pad, names, depth - 1)]
        if kind == "list":
            return [lead, *self.items(pad, names, depth - 1)]
        if kind == "block":
            first, *rest = self.block_scalar(pad[:-2], names)
            return [f"{lead} {first}", *rest]
        if kind == "flow":
            scalar = self.scalar(names).replace(" # c", "")
            return [f"{lead} [{scalar}, {scalar}]" if self.chance(2) else f"{lead} {{k: {scalar}}}"]
        if kind == "folded":
            value = self.placeholder(names, ("any",))
            return [f'{lead} "{self.text()}{value}', f'{pad}{self.text()} end"']
        return [f"{lead} {self.scalar(names)}"]

    def pairs(self, pad: str, names: Names, depth: int) -> list[str]:
        lines: list[str] = []
        for number in range(self.draw(st.integers(1, 3))):
            value = self.placeholder(names, ("any",)) if self.chance(5) else ""
            key = f'"k{number}{value}"' if value else f"k{number}"
            lines += self.noise(pad) + self.maybe(self.entry(f"{pad}{key}:", pad + "  ", names, depth), names)
        return lines

    def items(self, pad: str, names: Names, depth: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self.draw(st.integers(1, 2))):
            kind = (
                self.one_of("plain", "seed", "loop", "loop") if self.jinja else self.one_of("plain", "seed")
            )
            if kind == "seed":
                lines += self.seed(pad)
            elif kind == "loop":
                lines += self.loop(pad, names, depth)
            else:
                lines += self.maybe(
                    self.entry(f"{pad}-", pad + "  ", names, 0 if self.profile else depth), names
                )
            lines += self.noise(pad)
        return lines

    def seed(self, pad: str) -> list[str]:
        mention = self.one_of("$values.WORDS", "${values.LIST}", "$values.CIDR.hosts", "$values.CIDR")
        if not self.profile and self.chance(3):
            return [f"{pad}- args:", f"{pad}  - -c", f'{pad}  - "x {mention}"', f"{pad}  path: $values.name"]
        return [f'{pad}- "{self.text()}{mention}{self.tail()}"']

    def loop(self, pad: str, names: Names, depth: int) -> list[str]:
        self.loops += 1
        name = f"v{self.loops}"
        items, inner = self.one_of(
            ("values.LIST", names.inside(name, any=(name,))),
            ("values.WORDS", names.inside(name, word=(name,))),
            ("values.CIDR", names.inside(name, blocks=(name,), word=(name,))),
            (f"{names.blocks[-1]} | hosts", names.inside(name, word=(name,))),
            ("values.rows", names.inside(name, any=(f"{name}.key", f"{name}.more | default('n')"))),
        )
        body = self.items(pad, inner, depth - 1) if depth > 0 else [f"{pad}- {self.scalar(inner)}"]
        return [
            f"{pad}{{% for {name} in {items} %}}",
            *self.noise(pad),
            *self.maybe(body, inner),
            "{% endfor %}",
        ]

    def maybe(self, lines: list[str], names: Names) -> list[str]:
        if not self.jinja or not self.chance(4):
            return lines
        tags = [f"{{% if {self.condition(names)} %}}", *lines]
        if self.chance(3):
            tags += [f"{{% elif {self.condition(names)} %}}", *lines]
        if self.chance(3):
            tags += ["{% else %}", *lines]
        return [*tags, "  {% endif %}"]

    def noise(self, pad: str) -> list[str]:
        some = [
            "",
            f"{pad}# comment {{{{ values.a }}}} $values.b",
            "# left",
            *(["{# gone #}"] if self.jinja else []),
        ]
        return [self.one_of(*some)] if self.chance(5) else []

    def document(self, number: int) -> list[str]:
        names = Names()
        if not self.profile:
            head = ["apiVersion: v1", "kind: ConfigMap", "metadata:", f"  name: c{number}", "data:"]
            return [*head, *self.pairs("  ", names, 3)]
        label = self.one_of("$values.a", '"$values.port"', "'$values.name'")
        address = self.one_of("$values.CIDR", '"$values.CIDR.hosts"', "10.0.0.1")
        port = self.one_of("$values.port", '"8${values.port}"', "80")
        internal = self.one_of("$values.flag", '"$values.flag"')
        args = ["      - args:", *self.items("        ", names, 1), f"        path: {self.scalar(names)}"]
        return [
            "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1",
            "kind: ContainerProfile",
            "metadata:",
            f"  name: {self.scalar(names)}",
            f"  labels: {{x: {label}}}",
            "spec:",
            "  containers:",
            "  - name: $values.name",
            *self.maybe(["    execs:", *self.maybe(args, names)], names),
            "    ingress:",
            "    - identifier: x",
            "      ipAddresses:",
            f"      - {address}",
            "      - 10.0.0.0/8",
            "      ports:",
            f"      - {{port: {port}, name: $values.port}}",
            f"    endpoints: [{{internal: {internal}}}]",
        ]


@st.composite
def templates(draw: Draw) -> str:
    jinja, lines = draw(st.booleans()), []
    for number in range(draw(st.integers(1, 2))):
        writer = Writer(draw, jinja=jinja, profile=draw(st.booleans()))
        lines += [*(["---"] if number else []), *writer.document(number)]
    text = draw(st.sampled_from(["\n", "\n", "\r\n"])).join([*lines, ""])
    return str(text.rstrip("\r\n") if draw(st.integers(0, 4)) == 0 else text)


# --- Both renderers -----------------------------------------------------------------------------------


def fields(document: Document) -> Any:
    return fields_of(document.api_version, document.kind)


def read_values(data: Mapping[str, Any]) -> Values:
    return read_yaml(json.dumps(data, ensure_ascii=False), "values")


def ours(text: str, data: Mapping[str, Any]) -> tuple[Template, str]:
    values = read_values(data)
    template = compile_template(text, "t.yaml", values.data, fields)
    check(values, list(uses(template)))
    return template, "".join(piece.text for piece in evaluate(template, values.data))


def write_chart(folder: Path, made: Mapping[str, Template], data: Mapping[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: x\nversion: 0.0.0\n")
    (folder / "values.yaml").write_text(json.dumps({"bob": data}, ensure_ascii=False), encoding="utf-8")
    asked = [use for template in made.values() for use in uses(template)]
    (folder / "values.schema.json").write_bytes(values_schema(data, asked))
    (folder / "templates/_helpers.tpl").write_text(helpers())
    for name, template in made.items():
        (folder / "templates" / name).write_bytes(to_go_template(template).encode())


def objects(text: str) -> list[str]:
    return sorted(json.dumps(each, default=str) for each in yaml.safe_load_all(text) if each is not None)


def by_source(printed: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^---\n", printed, flags=re.MULTILINE):
        source, _, text = part.partition("\n")
        if part:
            yield source.removeprefix("# Source: x/templates/"), text


def theirs(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    for source, text in by_source(done.stdout):
        found.setdefault(source, []).extend(objects(text))
    return {source: sorted(texts) for source, texts in found.items()}


def assert_types(text: str) -> None:
    """A profile's fields have their types, whatever the values are."""
    for document in documents(text, "t.yaml", lambda _: 1):
        assert not [*wrong_type.check(document), *label_not_string.check(document)]


@pytest.mark.peer("helm", "helm3")
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(st.lists(templates(), min_size=1, max_size=6), OWN, OTHER)
def test_helm_gives_the_same_objects(
    helms: Mapping[str, Helm],
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    data: dict[str, Any],
    other: dict[str, Any],
) -> None:
    folder = tmp_path_factory.getbasetemp() / "generated"
    made: dict[str, Template] = {}
    good: dict[str, dict[str, list[str]]] = {"own": {}, "other": {}}
    refused: list[tuple[str, Template]] = []
    for number, text in enumerate(texts):
        name = f"t{number}.yaml"
        try:
            made[name], rendered = ours(text, data)
        except InputError as error:
            event(re.sub(r".*?:\d+: |'.*?'|\d+", "", str(error))[:60])
            continue
        event("renders")
        assert_types(rendered)
        good["own"][name] = objects(rendered)
        try:
            good["other"][name] = objects(ours(text, other)[1])
        except InputError:
            refused.append((name, made[name]))
    for which, names in good.items():
        if not names:
            continue
        write_chart(folder, {name: made[name] for name in names}, data)
        (folder / "other.json").write_text(json.dumps({"bob": other}, ensure_ascii=False), encoding="utf-8")
        words = ["--values", str(folder / "other.json")] if which == "other" else []
        for helm in helms.values():
            assert theirs(helm("template", "x", folder, *words)) == {n: o for n, o in names.items() if o}
    for name, template in refused[:1]:
        write_chart(folder, {name: template}, data)
        (folder / "other.json").write_text(json.dumps({"bob": other}, ensure_ascii=False), encoding="utf-8")
        for helm in helms.values():
            assert helm("template", "x", folder, "--values", folder / "other.json").returncode != 0
