"""An engine's process without a pipeline: `python -P diffusion_process.py WAY`. It speaks
`hosts.media.messages` by hand.

WAY: `well` makes what it is asked for, two steps each; `slow` stays at its first step until it is cancelled;
`picky` refuses; `clumsy` fails; `broken` cannot load; `dying` ends in the middle of its answer; `mute` answers nothing
once it has loaded; `deaf` does not end with its input; `loud` repeats a prompt on standard error.
"""

import json
import sys
import threading

SHAPE = {"width": 64, "height": 64, "steps": 2, "frames": 1, "fps": 1.0}
PIPELINE = {"modality": "Image", "usual": SHAPE, "grid": 8, "frame_grid": 1, "options": [], "picks_fps": False}


def say(message, content=b""):
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n" + content)
    sys.stdout.buffer.flush()


def complain(line):
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def make(way, number, prompt):
    say({"id": number, "step": 1})
    if way == "slow":
        return
    if way == "picky":
        say({"id": number, "refused": "too long", "code": "context_length_exceeded"})
    elif way == "clumsy":
        say({"id": number, "failed": "RuntimeError"})
    elif way == "dying":
        say({"id": number, "made": {"prompt_tokens": 1}, "bytes": 1000}, b"cut")
        sys.exit(9)
    else:
        if way == "loud":
            complain(f"truncated: {prompt}")
            complain("E RuntimeError at somewhere")
        content = prompt.encode() * 50_000
        say({"id": number, "step": 2})
        say({"id": number, "made": {"prompt_tokens": 3}, "bytes": len(content)}, content)


def main(way):
    if way == "broken":
        complain("E there is no such file")
        return 1
    say({"hello": PIPELINE})
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if way == "mute":
            continue
        if "ping" in message:
            say({"pong": True})
        elif "cancel" in message:
            say({"id": message["id"], "cancelled": True})
        else:
            make(way, message["id"], message["make"]["prompt"])
    if way == "deaf":
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
