"""What a command must tell apart: a wrong configuration, and everything else that a user can act on. Pure."""


class ConfigError(Exception):
    """The configuration cannot be used. The message names file and field and fits on one line. Exit code 2."""


class CommandError(Exception):
    """Something outside went wrong. The message says what, where and what to do. Exit code 1."""
