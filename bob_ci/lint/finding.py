"""Findings: what a rule says of a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How much a finding matters; higher is worse."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @classmethod
    def named(cls, name: str) -> Severity:
        """The severity of that name, in lower case."""
        return cls[name.upper()]

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, order=True)
class Finding:
    """One fault at one place; lines and columns from 1, the path inside the object in dotted form."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str
    path: str = ""
    fixable: bool = False


def count(findings: Iterable[Finding], severity: Severity) -> int:
    """How many findings are of exactly this severity."""
    return sum(finding.severity is severity for finding in findings)


def at_or_above(findings: Iterable[Finding], severity: Severity) -> bool:
    """Whether any finding is of this severity or worse."""
    return any(finding.severity >= severity for finding in findings)
