"""Platforms: `os/arch[/variant]`, as image indexes name them (OCI image-spec, image-index.md, `platform`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bob_ci.errors import BobError, InputError

# The values of GOOS and GOARCH, as the image-spec asks (`go tool dist list` of Go 1.26, and sparc64).
# fmt: off
SYSTEMS = frozenset({
    "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd",
    "plan9", "solaris", "wasip1", "windows",
})
ARCHITECTURES = frozenset({
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
    "riscv64", "s390x", "sparc64", "wasm",
})
# fmt: on

EXAMPLES = "for example linux/amd64, linux/arm64, linux/arm/v7"

# Other spellings, with the variant that they imply (containerd platforms/database.go, normalizeArch).
_OTHER_SYSTEMS = {"macos": "darwin"}
_OTHER_ARCHITECTURES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
# The baseline of an architecture is the architecture: (arm64, v8) is arm64 (the same function of containerd).
_BASELINES = {"arm64": "v8", "amd64": "v1"}
_VARIANT = re.compile(r"[a-z0-9]+(?:[._][a-z0-9]+)*")


@dataclass(frozen=True, order=True)
class Platform:
    """An operating system, an architecture and perhaps a variant; sorts in this order.

    Constructed directly it holds what a descriptor says, as it is; `parse` takes what people type.
    """

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `OS/ARCH[/VARIANT]`, in any spelling that Docker takes, as the usual one.

        As in containerd `x86_64` is amd64, `aarch64` and `arm64/v8` are arm64; as in oras `arm` stays without
        variant (containerd makes it v7) and both parts are needed.

        Raises:
            InputError: It is no platform, or one that Go's GOOS and GOARCH do not know.
        """
        return _parse(text, text.split("/"))

    @classmethod
    def parse_folder(cls, name: str) -> Platform:
        """Read the name of an overlay, `OS-ARCH[-VARIANT]` (FORMAT.md 1).

        Raises:
            InputError: As for `parse`.
        """
        return _parse(name, name.split("-"))

    @classmethod
    def from_json(cls, value: object) -> Platform | None:
        """Read a descriptor's `platform`, without any change; None if it names neither part.

        Raises:
            BobError: It is no object, or a part is no text.
        """
        if not isinstance(value, Mapping):
            raise BobError("platform: not an object")
        parts = {name: value.get(name, "") for name in ("os", "architecture", "variant")}
        for name, part in parts.items():
            if not isinstance(part, str):
                raise BobError(f"platform: {name} is no text")
        return cls(**parts) if parts["os"] or parts["architecture"] else None

    def to_json(self) -> dict[str, str]:
        """Give the members of a descriptor's `platform`, in the order of the image-spec's own type."""
        said = {"architecture": self.architecture, "os": self.os}
        return said | ({"variant": self.variant} if self.variant else {})

    @property
    def folder(self) -> str:
        """The name of its overlay, `OS-ARCH[-VARIANT]`."""
        return str(self).replace("/", "-")

    def normalized(self) -> Platform:
        """Give the usual spelling; what is not known stays as it is."""
        system, architecture, variant = self.os.lower(), self.architecture.lower(), self.variant.lower()
        architecture, implied = _OTHER_ARCHITECTURES.get(architecture, (architecture, ""))
        variant = variant or implied
        if architecture in {"arm", "arm64"} and variant[:1].isdigit():
            variant = f"v{variant}"
        if variant == _BASELINES.get(architecture):
            variant = ""
        return Platform(_OTHER_SYSTEMS.get(system, system), architecture, variant)

    def satisfies(self, wanted: Platform) -> bool:
        """Whether it is what `--platform` asks for: same system, architecture and, if asked, variant.

        The rule of oras (oras-go internal/platform, `Match`), over the usual spellings.
        """
        mine, asked = self.normalized(), wanted.normalized()
        same = (mine.os, mine.architecture) == (asked.os, asked.architecture)
        return same and asked.variant in {"", mine.variant}

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


# What readers without a wish take, and what a bundle that names none is for.
DEFAULT_PLATFORM = Platform("linux", "amd64")


def _parse(text: str, parts: list[str]) -> Platform:
    if len(parts) not in {2, 3}:
        raise InputError(f"{text!r}: not a platform", hint=EXAMPLES)
    platform = Platform(*parts).normalized()
    if platform.os not in SYSTEMS:
        raise InputError(f"{text!r}: {parts[0]!r} is no operating system", hint=EXAMPLES)
    if platform.architecture not in ARCHITECTURES:
        raise InputError(f"{text!r}: {parts[1]!r} is no architecture", hint=EXAMPLES)
    if parts[2:] and not _VARIANT.fullmatch(parts[2].lower()):
        raise InputError(f"{text!r}: {parts[2]!r} is no variant", hint=EXAMPLES)
    return platform
