"""References → stores."""

from __future__ import annotations

from bob_ci.errors import BobError
from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.reference import LayoutReference, Reference
from bob_ci.oci.store import Store


def open_store(reference: Reference) -> Store:
    """The store that a reference is in. Nothing is read or made yet.

    Raises:
        BobError: for a registry: this version writes image layouts, which other tools bring there.
    """
    if isinstance(reference, LayoutReference):
        return LayoutStore(reference.directory)
    raise BobError(
        f"{reference.name}: this version reads and writes OCI layouts on disk only",
        hint=f"publish to oci-layout:DIR, then: oras cp --from-oci-layout DIR:TAG {reference}",
    )
