import subprocess
import sys
from pathlib import Path

LOOKS = """
import ctypes, pydantic_core, xllamacpp
from inferfleet_runtime.hosts.llama.links import find
from inferfleet_runtime.hosts.llama.steering import LAYOUT, Steering
assert find(pydantic_core._pydantic_core.__file__, ["llama_process"]) is None
path = xllamacpp.xllamacpp.__file__
assert find(path, ["llama_process", "no_such_function"]) is None
link = find(path, ["llama_process"])["llama_process"]
link.to(1)
assert link.entry.value == 1
link.back()
assert link.entry.value == link.own
steering = Steering(path, 2, 4, lambda: 0.0, print)
entries = [link.entry for link in steering._links.values()]
own = [entry.value for entry in entries]
steering.take(draft_model=True)
assert sum(entry.value != was for entry, was in zip(entries, own, strict=True)) == 3
steering.leave()
assert all(entry.value == link.own for entry, link in zip(entries, steering._links.values(), strict=True))
assert LAYOUT == xllamacpp.__version__
print("found")
"""


def test_the_engines_calls_can_be_taken_and_given_back_and_those_of_others_cannot():
    # in a process of its own: what it writes to is the memory of a library
    done = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=False)
    assert done.stdout == "found\n", done.stderr


def test_a_library_behind_a_symbolic_link_is_found(tmp_path):
    import xllamacpp

    real = Path(xllamacpp.xllamacpp.__file__)
    (tmp_path / "builds").symlink_to(real.parent)
    finds = "import sys; from inferfleet_runtime.hosts.llama.links import find; print(find(sys.argv[1], sys.argv[2:]))"
    command = [sys.executable, "-c", finds, tmp_path / "builds" / real.name, "llama_process"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("{'llama_process'"), done.stderr
