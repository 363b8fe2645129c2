"""A web server on this machine with pictures, and with all that may lie at a picture's address instead."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from PIL import Image


def picture(colour: tuple[int, int, int] = (40, 40, 170)) -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return file.getvalue()


@dataclass
class Site:
    """What was asked of it, as (path, Host), and what it says: bytes, a status, or where to go instead."""

    port: int
    answers: dict[str, bytes | int | str]
    asked: list[tuple[str, str]] = field(default_factory=list)
    hurry: threading.Event = field(default_factory=threading.Event)  # ends answers that never end

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@contextmanager
def serving(**answers: bytes | int | str) -> Iterator[Site]:
    """A site whose paths are the names; "endless" bytes never end, and "slow" ones come one by one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers["Host"]))
            answer = site.answers.get(self.path.strip("/"), 404)
            if isinstance(answer, bytes):
                self._send(200, body=answer)
            elif isinstance(answer, int):
                self._send(answer)
            elif answer in ("endless", "slow"):
                self._trickle(answer)
            else:
                self._send(302, {"Location": answer})

        def _send(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _trickle(self, how: str) -> None:
            self.send_response(200)
            self.end_headers()
            part, pause = (b"\0" * 2**16, 0.0) if how == "endless" else (b"\0", 0.05)
            try:
                while not site.hurry.wait(pause):
                    self.wfile.write(part)
            except OSError:  # whoever asked has had enough
                self.close_connection = True

        def log_message(self, *_args: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(server.server_port, dict(answers))
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    yield site
    site.hurry.set()
    server.shutdown()
    thread.join()
    server.server_close()
