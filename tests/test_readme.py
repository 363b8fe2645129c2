"""What README.md tells people to run is run, block by block in one folder, and must end well.

A block is run when the line above its fence is ``<!-- run -->``. In a ``console`` block the lines behind ``$ `` are the
commands (with those they continue on after a backslash) and the others show what was said, which is not compared; an
``sh`` block is a script, a ``python`` block a program. ``<!-- run in background -->`` starts a server that stays until
the end. The folder looks like the checkout but has no ``var/`` yet; port 8000 is replaced by a free one.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^<!-- run(| in background) -->\n```(console|sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_MARK = re.compile(r"^<!-- run.*-->", re.MULTILINE)
NOT_IN_THE_FOLDER = {".env", ".git", "var", "recsys", "api"}  # the packages come from the environment
PORT = "8000"


@dataclass(frozen=True)
class Block:
    """One marked block: where it stands, what it runs, and whether it goes on running."""

    line: int
    command: tuple[str, ...]
    background: bool


def blocks(text: str) -> list[Block]:
    found = list(BLOCK.finditer(text))
    assert len(found) == len(ANY_MARK.findall(text)), "a mark has no console, sh or python block under it"
    return [
        Block(text.count("\n", 0, match.start()) + 2, command(match[2], match[3]), background=bool(match[1]))
        for match in found
    ]


def command(language: str, text: str) -> tuple[str, ...]:
    if language == "python":
        return (sys.executable, "-c", text)
    script = "".join(re.findall(r"^\$ ((?:.*\\\n)*.*\n)", text, re.MULTILINE)) if language == "console" else text
    assert script.strip(), f"nothing to run in:\n{text}"
    return ("bash", "-euo", "pipefail", "-c", script)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader would be: in the checkout, before the first command."""
    for entry in ROOT.iterdir():
        if entry.name not in NOT_IN_THE_FOLDER:
            (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    """This environment's commands first, and nobody's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RECSYS_", "MAKE", "MFLAGS"))}
    return {**kept, "PATH": f"{sysconfig.get_path('scripts')}:{kept['PATH']}"}


@pytest.mark.slow
def test_every_marked_block_of_the_readme_ends_well(folder, environment):
    marked = blocks((ROOT / "README.md").read_text())
    assert marked, "README.md has no block marked <!-- run -->"
    play(marked, folder, environment)


def play(marked: list[Block], folder: Path, environment: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started: list[subprocess.Popen[bytes]] = []
    with stopping(started):
        for block in marked:
            argv = [re.sub(rf"\b{PORT}\b", port, part) for part in block.command]
            log = folder / f"readme-line-{block.line}.log"
            with log.open("wb") as out:
                process = subprocess.Popen(
                    argv, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
                )
            started.append(process)
            ended_well = answers(process, port) if block.background else process.wait(timeout=900) == 0
            assert ended_well, f"README.md, line {block.line}:\n{argv[-1]}\n{log.read_text()[-4000:]}"


def answers(server: subprocess.Popen[bytes], port: str, patience: float = 120.0) -> bool:
    """Wait until a server is ready; False when it ends or stays silent."""
    until = time.monotonic() + patience
    while server.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return True
    return False


@contextmanager
def stopping(processes: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """End those that still run, with what they started."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=60)


EXAMPLE = """
<!-- run -->
```console
$ echo one > said
not a command
$ echo two \\
    three >> said
two three
```

```console
$ echo unmarked >> said
```
<!-- run -->
```sh
for word in four five; do
    echo $word >> said
done
```
<!-- run in background -->
```console
$ python -m http.server --bind 127.0.0.1 8000
```
<!-- run -->
```python
import urllib.request
text = urllib.request.urlopen("http://127.0.0.1:8000/said").read()
open("heard", "wb").write(text)
```
"""


def test_marked_blocks_run_in_order_and_in_one_folder(folder, environment):
    (folder / "readyz").touch()
    play(blocks(EXAMPLE), folder, environment)
    assert (folder / "heard").read_text() == "one\ntwo three\nfour\nfive\n"


@pytest.mark.parametrize(
    "failing",
    [
        "<!-- run -->\n```console\n$ false\n$ true\n```\n",
        "<!-- run -->\n```sh\nfalse | true\n```\n",
        "<!-- run -->\n```python\n1 / 0\n```\n",
        "<!-- run in background -->\n```sh\nexit 1\n```\n",
        "<!-- run -->\n\n```sh\ntrue\n```\n",
        "<!-- run it -->\n```sh\ntrue\n```\n",
        "<!-- run -->\n```json\n{}\n```\n",
        "<!-- run -->\n```console\nno command\n```\n",
    ],
)
def test_a_block_that_fails_or_cannot_be_run_is_seen(failing, folder, environment):
    with pytest.raises(AssertionError):
        play(blocks(failing), folder, environment)
