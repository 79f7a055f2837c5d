"""tests/data/templates: each folder is a bundle, and what it renders to, or why it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bob_ci.bundle.render import objects, render
from bob_ci.bundle.source import read_bundle
from bob_ci.bundle.view import view
from bob_ci.errors import InputError
from bob_ci.oci.platform import DEFAULT_PLATFORM

CASES = sorted((Path(__file__).parents[2] / "data" / "templates").iterdir())
EXAMPLES = ("webapp", "chain-frontend", "argocd-repo-server")


def rendered(folder: Path) -> bytes:
    return render(view(read_bundle(folder), DEFAULT_PLATFORM)).text.encode()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case(case: Path) -> None:
    if (case / "expected.yaml").exists():
        assert rendered(case) == (case / "expected.yaml").read_bytes()
        return
    with pytest.raises(InputError) as caught:
        rendered(case)
    assert str(caught.value).replace(f"{case}/", "") == (case / "error.txt").read_text().rstrip("\n")


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("form", ["bob.yaml", "bob.seed.yaml"])
def test_worked_examples(shared_data: Path, tmp_path: Path, name: str, form: str) -> None:
    source = shared_data / "examples" / name
    (tmp_path / "bob.yaml").write_bytes((source / form).read_bytes())
    (tmp_path / "bob.values").write_bytes((source / "bob.values").read_bytes())
    made = render(view(read_bundle(tmp_path), DEFAULT_PLATFORM))
    assert objects(made.files["profiles"]) == _documents(source / "expected.yaml")


def _documents(file: Path) -> list[Any]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
