#!/usr/bin/env python3
"""Runs sample/ (a container action) with act for real, checks what it did, ends with 'N passed, N failed'.

    run_sample.py [--keep]     --keep: leave the engine running afterwards if this script started it

Starts the engine and makes the images if need be; exit 0 with one 'skipped' where there is no engine or act.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SKIP = 77
ORIGIN = "https://github.com/example-org/sample"  # act reads GITHUB_REPOSITORY off it
results: list[bool] = []

Record = dict[str, Any]


def check(name: str, good: object, detail: object = "") -> None:
    results.append(bool(good))
    print(("ok    " if good else "FAIL  ") + name + ("" if good else f"   {detail!r}"[:600]), flush=True)


def skip(why: str) -> None:
    print(f"0 passed, 0 failed, 1 skipped\n{why}", flush=True)
    sys.exit(0)


def tool(name: str, *args: object) -> int:
    code = subprocess.run([HERE / name, *map(str, args)], check=False, stdin=subprocess.DEVNULL).returncode
    if code == SKIP:
        skip(f"{name} is not possible here")
    return code


@dataclass(frozen=True)
class Run:
    """One run of act."""

    code: int
    log: list[Record]
    seconds: float

    def commands(self, name: str) -> list[Record]:
        return [record for record in self.log if record.get("command") == name]

    @property
    def outputs(self) -> dict[str, str]:
        return {record["name"]: record["arg"] for record in self.commands("set-output")}

    @property
    def messages(self) -> list[str]:
        return [record["msg"] for record in self.log]

    def says(self, text: str) -> bool:
        return any(text in message for message in self.messages)


@dataclass(frozen=True)
class Bench:
    """The sample as a git repository, and a fake GitHub."""

    scratch: Path
    port: str

    @property
    def repo(self) -> Path:
        return self.scratch / "sample"

    @property
    def report(self) -> Path:
        return self.repo / "report.json"

    def git(self, *args: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ["git", "-C", str(self.repo), *who, *args]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def act(self, workflow: str, *more: str, event: str = "push") -> Run:
        start = time.monotonic()
        api = f"http://127.0.0.1:{self.port}"
        env = {
            "GITHUB_API_URL": api,
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{api}/oidc?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "fake-oidc-request-token",
        }
        command = [str(HERE / "act-local"), event, "--json", "-C", str(self.repo)]
        command += ["-W", f".github/workflows/{workflow}", "-s", "GITHUB_TOKEN=fake-github-token"]
        command += [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        done = subprocess.run(
            [*command, *more], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode == SKIP:
            skip(done.stderr)
        log = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        run = Run(done.returncode, log, time.monotonic() - start)
        if os.environ.get("VERBOSE"):
            print("\n".join(message.rstrip("\n") for message in run.messages) + done.stderr)
        return run

    def requests(self) -> list[Record]:
        """What the fake was asked since the last call."""
        log = self.scratch / "api.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        log.write_text("")
        return lines

    def take_report(self) -> Record:
        report: Record = json.loads(self.report.read_text())
        self.report.unlink()
        return report


def check_push(bench: Bench) -> Run:
    run = bench.act("ok.yml")
    check("ok: exit 0", run.code == 0, run.messages[-12:])
    check("ok: outputs", run.outputs == {"greeting": "Hello, world", "report": "line 1\nline 2"}, run.outputs)
    check("ok: step summary", any("| world | Hello |" in x["content"] for x in run.commands("summary")))
    check("ok: a later step reads outputs and files", run.says("outputs seen by a later step"))
    check("ok: token masked in the readable log", not run.says("fake-github-token"))
    check("ok: workspace of the machine untouched without --bind", not bench.git("status", "--short"))
    seen = bench.requests()
    oidc = [(x["auth"], "audience=sigstore" in x["query"]) for x in seen if x["path"] == "/oidc"]
    check("ok: OIDC token asked for", oidc == [("fake-oidc-request-token", True)], seen)
    status = {
        "method": "POST",
        "path": f"/repos/example-org/sample/statuses/{bench.git('rev-parse', 'HEAD')}",
        "query": "",
        "auth": "fake-github-token",
        "body": {"state": "success", "context": "sample"},
    }
    check("ok: commit status posted", [x for x in seen if x["method"] == "POST"] == [status], seen)
    return run


def check_bind(bench: Bench) -> Run:
    run = bench.act("ok.yml", "--bind")
    check("again, --bind: exit 0", run.code == 0)
    check("again, --bind: file of the action on the machine", bench.report.exists())
    env = bench.take_report()["env"]
    met = (env["GITHUB_SHA"], env["GITHUB_REPOSITORY"], env["GITHUB_EVENT_NAME"])
    wanted = (bench.git("rev-parse", "HEAD"), "example-org/sample", "push")
    check("env: sha, repository, event", met == wanted, met)
    bench.requests()
    return run


def check_pull_request(bench: Bench) -> None:
    event = bench.scratch / "event.json"
    head, base = {"ref": "topic", "sha": "1" * 40}, {"ref": "main", "sha": "2" * 40}
    event.write_text(json.dumps({"number": 7, "pull_request": {"number": 7, "head": head, "base": base}}))
    run = bench.act("ok.yml", "--bind", "-e", str(event), event="pull_request")
    report = bench.take_report()
    met = (run.code, report["event"]["pull_request"]["head"]["sha"], report["env"]["GITHUB_REF"])
    check("pull_request: event file and refs", met == (0, "1" * 40, "refs/pull/7/merge"), met)
    bench.requests()


def check_failure(bench: Bench) -> None:
    run = bench.act("fail.yml")
    check("fail: act exits 1", run.code == 1, run.code)
    check("fail: exit code of the action", run.says("exit with `FAILURE`: 3"))
    errors = [(x["arg"], x["kvPairs"]) for x in run.commands("error")]
    where = {"file": "sample_action.py", "line": "1", "title": "Sample"}
    check("fail: ::error annotation", errors == [("failed on purpose", where)], errors)
    printed = [x["msg"] for x in run.log if x.get("raw_output")]
    kept = any("outputs of a failed step are kept" in message for message in printed)
    check("fail: later steps", kept and not any(x.startswith("must not run") for x in run.messages))
    states = [x["body"]["state"] for x in bench.requests() if x["method"] == "POST"]
    check("fail: status posted", states == ["failure"], states)


def check_the_rest(bench: Bench) -> None:
    run = bench.act("ok.yml", "-s", "GITHUB_TOKEN=wrong")
    check("wrong token: the API's 401 fails the step", run.code == 1 and run.says("401"))
    run = bench.act("remote.yml", "--local-repository", f"example-org/sample-action@v1={bench.repo}")
    good = run.code == 0 and run.outputs["greeting"] == "Hello, world"
    check("remote: owner/name@ref from a folder", good, run.messages[-8:])


@contextmanager
def engine(*, keep: bool) -> Iterator[None]:
    status = subprocess.run([HERE / "dockerd-local", "status"], check=False, capture_output=True)
    start = time.monotonic()
    tool("dockerd-local", "start")
    print(f"engine: {time.monotonic() - start:.1f} s", flush=True)
    try:
        yield
    finally:
        if status.returncode and not keep:
            tool("dockerd-local", "stop")


@contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="act-sample-") as name:
        scratch, port_file = Path(name), Path(name) / "port"
        shutil.copytree(HERE / "sample", scratch / "sample")
        fake = subprocess.Popen([sys.executable, HERE / "fake_github.py", scratch / "api.jsonl", port_file])
        try:
            while not port_file.exists():
                time.sleep(0.05)
            made = Bench(scratch, port_file.read_text())
            made.git("init", "-q", "-b", "main")
            made.git("remote", "add", "origin", ORIGIN)
            made.git("add", "-A")
            made.git("commit", "-qm", "sample")
            yield made
        finally:
            fake.terminate()
            fake.wait()


def make_images() -> None:
    start = time.monotonic()
    if tool("make-base-image", "--runner", HERE / "sample" / "Dockerfile"):
        sys.exit("no base image")
    print(f"base and job image: {time.monotonic() - start:.1f} s", flush=True)


def main() -> int:
    with engine(keep="--keep" in sys.argv):
        make_images()
        with bench() as on:
            first, again = check_push(on), check_bind(on)
            check_pull_request(on)
            check_failure(on)
            check_the_rest(on)
            print(f"act, first run: {first.seconds:.1f} s; again: {again.seconds:.1f} s", flush=True)
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
