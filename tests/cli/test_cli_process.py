"""The installed program as a process of its own."""

import json
import resource
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cli_commands import Cli
from made_world import NOBODY

from recsys.settings import Settings, bundled

RECSYS = str(Path(sysconfig.get_path("scripts")) / "recsys")


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([RECSYS, *arguments], check=False, capture_output=True, text=True, timeout=120)


def test_help_needs_no_model_library(cli: Cli) -> None:
    code = "import sys; from recsys.cli import app; print([n for n in ('torch', 'timm', 'faiss') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
    helped = run("--help")
    assert helped.returncode == 0
    for command in ("init", "import", "train", "evaluate", "recommend", "serve", "demo"):
        assert command in helped.stdout


def test_numpy_is_told_how_many_threads_it_has_before_the_server_loads_it(cli: Cli) -> None:
    """It starts as many as there are cores otherwise, which spin beside the answers for most of a core."""
    code = (
        "import sys, importlib; from recsys.cli import app; room = importlib.import_module('recsys.cli.serve');"
        "room.limit_threads = lambda settings: sys.exit(f'numpy: {\"numpy\" in sys.modules}'); app(['serve'])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr == "numpy: False\n"


def test_listing_the_models_needs_no_model_library(cli: Cli, site: Settings) -> None:
    code = (
        "import sys; from recsys.cli import app; app(sys.argv[1:], standalone_mode=False);"
        "print([n for n in ('torch', 'timm', 'faiss') if n in sys.modules])"
    )
    for command in ("models", "init"):
        done = subprocess.run([sys.executable, "-c", code, command], check=True, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[]"


def test_documents_on_standard_output_and_the_rest_on_standard_error(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Alpha (1999),Drama\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n7,1,5,1000000000\n")
    run("init")
    done = run("import", "movielens", str(tmp_path), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["clicks"] == 1
    assert "records" in done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(("init",), 0), (("rollback",), 1), (("rollback", "--colour"), 2)])
def test_exit_codes(cli: Cli, arguments: tuple[str, ...], code: int) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (code > 0)


def answer(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return json.load(response)


def wait_until_ready(server: "subprocess.Popen[str]", port: int, patience: float = 60.0) -> None:
    until = time.monotonic() + patience
    while server.poll() is None and time.monotonic() < until:
        try:
            answer(port, "/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server did not get ready")


def test_serve_answers_until_it_is_interrupted(cli: Cli, site: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [RECSYS, "serve", "--port", str(port), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            wait_until_ready(server, port)
            answered = answer(port, f"/v1/users/{NOBODY}/recommendations?limit=3")
            server.send_signal(signal.SIGINT)
            document, said = server.communicate(timeout=30)
        finally:
            server.kill()
    assert len(answered["items"]) == 3
    assert json.loads(document) == {"host": "127.0.0.1", "port": port, "workers": 1}
    assert server.returncode == 0
    assert "Traceback" not in said


def demo() -> tuple[Any, float]:
    """The document of a demonstration, and its seconds: on a busy machine those of its own work."""
    wall, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([RECSYS, "demo", "--json"], check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), min(time.monotonic() - wall, worked)


@pytest.mark.slow
@pytest.mark.skipif(not (bundled("sample") / "articles.parquet").exists(), reason="the sample is not there")
def test_the_demo_goes_the_whole_way(cli: Cli) -> None:
    document, seconds = demo()
    assert {"metrics", "recommendations", "similar", "seconds"} <= document.keys()
    assert document["metrics"]["auc"] > 0.6
    assert document["retrain"]["why"]
    before, after = ({line["article_id"] for line in document[name]} for name in ("recommendations", "after_click"))
    assert len(before) == len(after) == 10
    assert before - after
    assert all(line["explanation"]["because"] for line in document["recommendations"][:3])
    assert document["similar"].keys() == {"fused", "title", "image"}
    assert all(document["similar"].values())
    assert {"import", "encode", "train", "evaluate", "retrain", "recommend"} <= document["seconds"].keys()
    assert seconds < 300  # three minutes, and what measuring coverage and the other tests add
    again = json.loads(run("encode", "--json").stdout)
    assert again["encoded"] == {"title": 0, "image": 0}
