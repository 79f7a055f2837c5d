"""What git and CI systems say is untrusted: which text is used, and what a commit looks like."""

from __future__ import annotations

import re

# Control characters, line separators, bidirectional controls, and bytes that were no UTF-8.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
