"""docs/data.md: its commands work as written, and its tables name the columns that are read."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

from recsys.ingest.files import ENDINGS
from recsys.ingest.table import TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
RUN = re.compile(r"^<!-- run -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_commands_work_as_written(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
    environment["PATH"] = f"{sysconfig.get_path('scripts')}:{environment['PATH']}"
    (script,) = RUN.findall(PAGE)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (said,) = re.findall(r"`(\d+ articles, \d+ impressions, \d+ clicks)`", PAGE)
    assert said in done.stdout
    assert not re.search(r"refused \d", done.stdout)
    assert (tmp_path / "refused.csv").read_text().split() == ["file,row,outcome,reason,record"]


def test_every_column_is_described_where_its_table_is():
    for name, columns in TABLES.items():
        section = PAGE[PAGE.index(f"\n**{name}**") :].split("\n**", 2)[1].split("\n## ")[0]
        described = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in section.splitlines() if row.startswith("| `")]
        assert {column for row in described for column in row} == {*columns.required, *columns.optional}


def test_every_ending_is_named():
    assert all(f"`{ending}`" in PAGE for ending in ENDINGS)
