"""Rules: a function with a code, a slug, a severity and the reason why it matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from bob_ci.lint.finding import Finding, Severity

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Fault:
    """What a check says: where, and what is wrong; the rule adds code and severity."""

    file: str
    line: int
    message: str
    column: int = 1
    path: str = ""


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """One rule. `check` gets what it looks at and yields faults."""

    code: str
    slug: str
    severity: Severity
    why: str
    check: Callable[[Subject], Iterator[Fault]]

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """The rule's findings about something."""
        for fault in self.check(subject):
            yield Finding(
                fault.file, fault.line, fault.column, self.code, self.severity, fault.message, fault.path
            )


def rule(
    code: str, slug: str, severity: Severity
) -> Callable[[Callable[[Subject], Iterator[Fault]]], Rule[Subject]]:
    """Make a function a rule; its docstring says why the rule is there."""

    def made(check: Callable[[Subject], Iterator[Fault]]) -> Rule[Subject]:
        return Rule(code, slug, severity, (check.__doc__ or "").strip(), check)

    return made
