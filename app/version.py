"""The version of this program; a constant, so that telling it needs no package index."""

VERSION = "0.1.0"  # the same as in pyproject.toml; a test compares them
