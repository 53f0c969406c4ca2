"""Which lines of llama.cpp's process are fit for the log. Pure.

llama.cpp prints a request's grammar and schema as they are: text of a client.
"""

import re

_OWN_ERROR = re.compile(r"\d+\.\d\d\.\d{3}\.\d{3} E |\S+:\d+: GGML_(ASSERT|ABORT)\b|terminate called ")
"""How lines begin that llama.cpp words itself: an error with its time, a failed assertion, an uncaught exception."""


def is_own_error(line: str) -> bool:
    """Whether a line is llama.cpp's own error; all others may repeat what a client has sent."""
    return _OWN_ERROR.match(line) is not None
