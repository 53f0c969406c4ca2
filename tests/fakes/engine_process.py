"""An engine's process without a model: `python -P engine_process.py WAY` (-P: `fakes/http.py` is not `http`).

Shakes hands, answers `/metrics`, misbehaves.
WAY: `well` ends with its standard input; `deaf` does not; `loud` writes more than a pipe holds to both
outputs, in one line each, before it answers again; `broken` ends at once with an error; `garbled` tells half of
what it drafts, and then all of it.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOUD = 300_000


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Quiet."""


def say(line, stream=sys.stderr):
    stream.write(line + "\n")
    stream.flush()


def main(way):
    if way == "broken":
        say("0.00.000.001 E no such tensor")
        return 3
    say("0.00.000.001 I loading")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    say(json.dumps({"address": f"http://127.0.0.1:{server.server_port}"}), sys.stdout)
    if way == "garbled":
        say('drafting {"on": tr', sys.stdout)
        say('drafting {"on": true, "tokens": 3}', sys.stdout)
    if way == "loud":
        for stream in (sys.stdout, sys.stderr):
            say("secret" * (LOUD // 6), stream)
        say("0.00.001.000 E slot is lost")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    if way == "deaf":
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
