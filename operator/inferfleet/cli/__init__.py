"""The commands of `inferfleet`: one file each, with `add` (its flags) and `run`, which does it.

What needs more than the package's own dependencies is imported when a command is called, from a file beside it, so that
everything else works without: `process` (run), `checks` (check), `entries` (catalog), `linting` (lint).
"""
