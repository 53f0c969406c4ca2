import subprocess
import sys

LOOKS = """
import pydantic_core, xllamacpp
from inferfleet_runtime.hosts.llama.switch import find_switch
assert find_switch(pydantic_core._pydantic_core.__file__, 1) is None
switch = find_switch(xllamacpp.xllamacpp.__file__, 2)
own = switch._entry.value
switch.set(False)
assert switch._entry.value != own
switch.set(True)
assert switch._entry.value == own == switch._drafts
print("found")
"""


def test_the_engines_library_has_the_switch_and_others_have_not():
    # in a process of its own: what it writes to is the memory of a library
    done = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=False)
    assert done.stdout == "found\n", done.stderr
