"""The version, in one place: the wheel, `--version` and every artifact's config name it."""

__version__ = "0.1.0"
