"""``recsys train --finetune-title``: what it says, and that following what it says works."""

import functools
from pathlib import Path

import pytest
from cli_commands import Cli
from made_training import hurry
from made_world import SPLIT

from recsys.encoders.finetune import TuneConfig
from recsys.lifecycle import finetune as room
from recsys.lifecycle.versions import rfc3339
from recsys.settings import Settings

QUICK = TuneConfig(steps=2, batch=16, layers=1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    briefly = functools.partial(room.train_with_finetuned_title, config=QUICK)
    monkeypatch.setattr(room, "train_with_finetuned_title", briefly)


def test_it_says_which_setting_to_set_and_then_the_version_can_be_promoted(
    cli: Cli, site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = cli.json("models")["live"]
    said = cli.run("train", "--finetune-title", "--until", rfc3339(SPLIT))
    assert said.code == 0, said.err
    version, folder = said.out.split()[1], said.out.split("RECSYS_TITLE_ENCODER=")[1].split()[0]
    assert Path(folder).parent == site.home.absolute() / "encoders"
    assert f"`recsys promote {version}`" in said.out
    assert "RECSYS_TITLE_ENCODER" in cli.fails("promote", version)
    assert cli.json("models")["live"] == live
    monkeypatch.setenv("RECSYS_TITLE_ENCODER", folder)
    assert cli.json("promote", version) == {"live": version}


def test_the_document_tells_cost_and_folder(cli: Cli, site: Settings) -> None:
    document = cli.json("train", "--finetune-title", "--until", rfc3339(SPLIT))
    assert not document["live"]
    figures = document["metrics"]["finetuning"]
    assert figures["steps"] == QUICK.steps
    assert figures["pairs"] > 0
    assert figures["seconds"] > 0
    assert Path(figures["folder"]).is_dir()
    assert site.home.absolute() in Path(figures["folder"]).parents
