"""Repository → source, revision, created. GitPython is imported only when git is asked."""

from bob_ci.git.flags import with_flags
from bob_ci.git.origin import Origin, describe
from bob_ci.git.remote import https_source

__all__ = ["Origin", "describe", "https_source", "with_flags"]
