"""An engine's process without a model: `python -P openvino_process.py WAY`; speaks `hosts.openvino` by hand.

WAY: `well` answers pings, and takes requests that it never ends; `halved` closes its standard output once it has
loaded, and goes on until its standard input ends.
"""

import json
import os
import sys


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(way):
    say({"vocabulary": 9})
    if way == "halved":
        os.close(1)
        sys.stdin.buffer.read()
        os._exit(0)  # flushing what is closed would be an error
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "ping" in message:
            say({"pong": message["ping"]})
        elif "body" in message:
            say({"began": [[message["id"], 3]]})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
