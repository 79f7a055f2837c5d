"""What the compiler must know of a document's fields; `profile` says it for Kubescape's kinds."""

from __future__ import annotations

from typing import Protocol

from bob_ci.template.outline import Path


class Fields(Protocol):
    """The fields of one kind of document, by their path in it."""

    def is_integer(self, path: Path) -> bool:
        """Whether the field is a number."""

    def is_boolean(self, path: Path) -> bool:
        """Whether the field is true or false."""

    def is_address(self, path: Path) -> bool:
        """Whether the field is an entry of a list of network addresses."""

    def is_neighbour(self, path: Path) -> bool:
        """Whether the map at this path is a network neighbour, which needs a target."""

    def holds_strings(self, path: Path) -> bool:
        """Whether all below this path are strings, of which none decides about a neighbour's targets."""


NEIGHBOUR_LISTS = ("ipAddresses", "dnsNames")
NEIGHBOUR_TARGETS = ("ipAddress", "dns", "podSelector", "namespaceSelector", *NEIGHBOUR_LISTS)
