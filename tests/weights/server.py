"""A server on this machine in the place of those that publish weights, and what it may do wrong."""

import hashlib
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Publisher:
    """What a server has, how it behaves, and what it was asked for.

    `cut` is how many bytes of an answer are sent at most, of how many `cuts`; `length` what it says of its length;
    `commits` are those that the hub names for the next questions.
    """

    def __init__(self):
        self.files, self.headers, self.redirects, self.asked, self.commits = {}, {}, {}, [], []
        self.cut = self.length = None
        self.cuts, self.delay, self.ranges, self.status, self.url = 1, 0, True, 200, ""

    def publish(self, path, content, **headers):
        self.files[path] = content
        self.headers[path] = headers

    def publish_on_hub(self, repository, revision, file, content, commit):
        """A file as the hub has it: the commit, and the SHA-256, in what is said of it."""
        named = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        for name in (revision, commit):
            self.publish(f"/{repository}/resolve/{name}/{file}", content, **named)


@contextmanager
def serve():
    """A server for as long as it is needed."""
    publisher = Publisher()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"publisher": publisher}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    publisher.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        known, path = self.publisher, self.path
        known.asked.append((self.command, path, self.headers.get("Range")))
        time.sleep(known.delay)
        if path in known.redirects:
            self._say(302, {"Location": known.redirects[path], "Content-Length": "0"})
        elif path not in known.files or known.status != 200:
            code = {"X-Error-Code": "EntryNotFound"} if known.status == 200 else {}
            self._say(404 if known.status == 200 else known.status, {"Content-Length": "0", **code})
        else:
            self._send(known.files[path], known.headers[path], body)

    def _send(self, content, headers, body):
        known, asked = self.publisher, self.headers.get("Range")
        if known.commits:
            headers = {**headers, "X-Repo-Commit": known.commits.pop(0)}
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and known.ranges else 0
        if start >= len(content) > 0:
            self._say(416, {"Content-Length": "0"})
            return
        rest = content[start:]
        self._say(206 if start else 200, {**headers, "Content-Length": str(known.length or len(rest))})
        if body:
            cut = known.cut if known.cuts > 0 else None
            known.cuts -= cut is not None
            self.wfile.write(rest[:cut])
            self.close_connection = True

    def _say(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass
