"""Rendered files: limits of the server, text that is no YAML, where each line comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bob_ci.bundle.render import RenderedFile, objects, render
from bob_ci.bundle.source import read_bundle
from bob_ci.bundle.view import view
from bob_ci.errors import InputError
from bob_ci.oci.platform import DEFAULT_PLATFORM
from bob_ci.template import evaluate
from bob_ci.template.evaluate import Piece

PROFILE = """apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ApplicationProfile
metadata: {name: p}
"""


def rendered(folder: Path, text: str, values: str = "", deployment: str = "") -> str:
    (folder / "bob.yaml").write_text(text, encoding="utf-8")
    (folder / "bob.values").write_text(values, encoding="utf-8")
    if deployment:
        (folder / "deployment.yaml").write_text(deployment, encoding="utf-8")
    return render(view(read_bundle(folder), DEFAULT_PLATFORM)).text


def syscalls(count: int, each: str) -> str:
    return PROFILE + "spec:\n  containers:\n  - name: c\n    syscalls: [" + ",".join([each] * count) + "]\n"


def test_bytes_of_a_profile(tmp_path: Path) -> None:
    rendered(tmp_path, syscalls(3_900, "x" * 97))
    with pytest.raises(
        InputError, match=r"profile p: 4\d\d,\d{3} bytes when rendered, the server takes 400,000"
    ):
        rendered(tmp_path, syscalls(4_000, "x" * 97))
    with pytest.raises(InputError, match=r"the server takes 400,000"):
        rendered(tmp_path, syscalls(4_000, "⋯" * 33))


def test_items_of_a_profile(tmp_path: Path) -> None:
    rendered(tmp_path, syscalls(40_000, "a"))
    with pytest.raises(InputError, match=r"profile p: 40,001 items when rendered, the server takes 40,000"):
        rendered(tmp_path, syscalls(40_001, "a"))


def test_each_profile_has_the_limits_for_itself(tmp_path: Path) -> None:
    one = syscalls(30_000, "a")
    assert rendered(tmp_path, f"{one}---\n{one}", deployment=f"x: {'y' * 500_000}\n")


def test_addresses_count(tmp_path: Path) -> None:
    text = PROFILE + "spec:\n  containers:\n  - syscalls:\n    - $values.CIDR.hosts" + "-" * 90 + "\n"
    blocks = ",".join(["10.0.0.0/24"] * 16)
    with pytest.raises(InputError, match=r"4\d\d,\d{3} bytes when rendered, the server takes 400,000"):
        rendered(tmp_path, text, f"CIDR={blocks}\n")


def loops(depth: int, body: str = '- "x"') -> str:
    opening = "".join(f"{{% for v{number} in values.L %}}\n" for number in range(depth))
    return f"k:\n{opening}{body}\n" + "{% endfor %}\n" * depth


def test_runaway_loops_end(tmp_path: Path) -> None:
    values = "L=" + ",".join("abcdefghij") + "\n"
    with pytest.raises(InputError, match=r"its loops run more than 1,000,000 times"):
        rendered(tmp_path, loops(7), values)


def test_runaway_conditions_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MAX_STEPS", 1000)
    condition = " and ".join(f"v{number} == 'z'" for number in range(4))
    text = loops(4, f'{{% if {condition} %}}\n- "x"\n{{% endif %}}')
    with pytest.raises(InputError, match=r"its loops run more than 1,000 times"):
        rendered(tmp_path, text, "L=" + ",".join("abcdefghij") + "\n")


def test_runaway_text_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MAX_CHARACTERS", 2**20)
    with pytest.raises(InputError, match="renders to more than 1 MiB"):
        rendered(tmp_path, loops(4, '- "' + "x" * 1000 + '"'), "L=" + ",".join("abcdefghij") + "\n")


@pytest.mark.parametrize(
    "text",
    [
        "k: " + "[" * 2000 + "$values.a" + "]" * 2000,
        "k: " + "[" * 330 + "$values.a" + "]" * 330,
        "".join(f"{' ' * number}k:\n" for number in range(400)) + " " * 400 + "k: $values.a",
        "k: {{ values.a" + " | lower" * 3000 + " }}",
        "{% if " + "not " * 3000 + "values.L %}\nk: 1\n{% endif %}",
        "{% if " + "(" * 500 + "values.L" + ")" * 500 + " %}\nk: 1\n{% endif %}",
        "{% if values.L %}\n" * 1500 + "k: 1\n" + "{% endif %}\n" * 1500,
    ],
    ids=["flow", "flow, shallower", "block", "filters", "not", "parentheses", "tags"],
)
def test_deep_nesting_is_an_error_or_renders(tmp_path: Path, text: str) -> None:
    try:
        rendered(tmp_path, text, "a=1\nL=x\n")
    except InputError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017


def test_text_of_all_files(tmp_path: Path) -> None:
    assert rendered(tmp_path, "a: 1", deployment="---\nb: 1\n") == "a: 1\n---\nb: 1\n"
    assert rendered(tmp_path, "a: 1\n", deployment="b: 1") == "a: 1\n---\nb: 1\n"
    (tmp_path / "bob.test").write_text("kind: Pod\nmetadata: {name: x}\n")
    assert rendered(tmp_path, "a: 1\n", deployment="b: 1") == "a: 1\n---\nb: 1\n"


def test_lines_of_the_template(tmp_path: Path) -> None:
    text = (
        "a: 1\nb:\n{% for x in values.L %}\n- k: $values.s\n  l: |\n    {{ x }}\n{% endfor %}\n{# gone #}\n"
    )
    text += "c: 1\n"
    (tmp_path / "bob.yaml").write_text(text)
    (tmp_path / "bob.values").write_text("L=1,2\ns=x\n")
    file = render(view(read_bundle(tmp_path), DEFAULT_PLATFORM)).files["profiles"]
    assert list(zip(file.text.splitlines(), file.source_lines(), strict=True)) == [
        ("a: 1", 1),
        ("b:", 2),
        ("- k: x", 4),
        ("  l: |", 5),
        ("    1", 6),
        ("- k: x", 4),
        ("  l: |", 5),
        ("    2", 6),
        ("c: 1", 9),
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [("k: [\n", ":7"), ("k: *x\n", ":7"), ("k: !!python/none x\n", ":7"), ("k: !!int x\n", "")],
)
def test_rendered_text_that_is_no_yaml(text: str, where: str) -> None:
    file = RenderedFile("bob.yaml", (Piece("a: 1\n", 1), Piece(text, 7)))
    with pytest.raises(InputError) as caught:
        objects(file)
    assert str(caught.value).startswith(f"bob.yaml{where}: renders to what is no YAML")


def test_aliases_that_stand_for_gigabytes_are_refused_quickly(tmp_path: Path) -> None:
    rows = ["  a0: &a0 [" + ", ".join(["x" * 40] * 50) + "]"]
    rows += [f"  a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * 50) + "]" for level in range(1, 9)]
    filler = "  # " + "y" * 70_000
    with pytest.raises(InputError, match="bytes when rendered"):
        rendered(tmp_path, PROFILE + "spec:\n" + "\n".join(rows) + "\n" + filler + "\n")
