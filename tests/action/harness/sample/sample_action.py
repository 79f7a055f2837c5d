"""An action that uses each of the runner's interfaces once."""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import requests

ENV = os.environ


def append(variable: str, text: str) -> None:
    with Path(ENV[variable]).open("a", encoding="utf-8") as file:
        file.write(text)


def write_report() -> None:
    report: dict[str, Any] = {
        "cwd": str(Path.cwd()),
        "uid": os.getuid(),
        "event": json.loads(Path(ENV["GITHUB_EVENT_PATH"]).read_text()),
        "env": {k: v for k, v in ENV.items() if k != "INPUT_GITHUB-TOKEN" and not k.endswith("_TOKEN")},
    }
    (Path(ENV["GITHUB_WORKSPACE"]) / "report.json").write_text(json.dumps(report))


def ask_for_token() -> None:
    answer = requests.get(
        ENV["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=sigstore",
        headers={"Authorization": "bearer " + ENV["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]},
        timeout=10,
    )
    answer.raise_for_status()
    print("OIDC token of", len(answer.json()["value"].split(".")), "parts")


def post_status(token: str, state: str) -> None:
    requests.post(
        f"{ENV['GITHUB_API_URL']}/repos/{ENV['GITHUB_REPOSITORY']}/statuses/{ENV['GITHUB_SHA']}",
        json={"state": state, "context": "sample"},
        headers={"Authorization": "Bearer " + token, "Accept": "application/vnd.github+json"},
        timeout=10,
    ).raise_for_status()


def main() -> None:
    name, token, fail = (ENV[f"INPUT_{key}"] for key in ("NAME", "GITHUB-TOKEN", "FAIL"))
    print("::add-mask::" + token)
    end = f"EOF_{uuid.uuid4()}"
    append("GITHUB_OUTPUT", f"greeting=Hello, {name}\nreport<<{end}\nline 1\nline 2\n{end}\n")
    append("GITHUB_STEP_SUMMARY", f"### Greeting\n| who | what |\n|---|---|\n| {name} | Hello |\n")
    write_report()
    if ENV.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        ask_for_token()
    post_status(token, "failure" if fail == "true" else "success")
    if fail == "true":
        print("::error file=sample_action.py,line=1,title=Sample::failed on purpose")
        sys.exit(3)
