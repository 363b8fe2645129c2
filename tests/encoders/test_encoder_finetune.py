"""Fine-tuning by the real packaged model: pairs come nearer, what is frozen stays, and a folder gives it back."""

import numpy as np
import pytest
import torch
from torch import nn

from recsys.columns import Ints
from recsys.domain import Article, RecsysError
from recsys.encoders.finetune import TuneConfig, Tuned, contrast, fine_tune, log_inclusion, save
from recsys.encoders.last_layers import LastLayers
from recsys.encoders.source import text_source
from recsys.encoders.text import TitleEncoder
from recsys.encoders.text_model import TextModel, load_model, load_tokenizer
from recsys.settings import PACKAGED_TEXT_ENCODER

# readers of the first column read all of it, though nothing in the words says so
LEFT = ["Tide tables for the harbour", "A minister resigns", "Baking with rye", "The goalkeeper stays"]
RIGHT = ["Snow closes two passes", "Rents rise again", "A comet in October", "The opera opens late"]
TEXTS = [*LEFT, *RIGHT]
PAIRS: Ints = np.array([(a, b) for side in (range(4), range(4, 8)) for a in side for b in side if a != b])
QUICK = TuneConfig(steps=12, batch=24, rate=3e-4)
SOURCE = text_source(PACKAGED_TEXT_ENCODER, "RECSYS_TITLE_ENCODER")


@pytest.fixture(scope="module")
def tuned() -> Tuned:
    return fine_tune(SOURCE, TEXTS, PAIRS, config=QUICK)


def articles() -> list[Article]:
    return [Article(str(number), title=text) for number, text in enumerate(TEXTS)]


def contrast_of_sides(vectors: np.ndarray) -> float:
    """Mean cosine within the sides less that between them."""
    cosines = vectors @ vectors.T
    within = np.concatenate([cosines[:4, :4][~np.eye(4, dtype=bool)], cosines[4:, 4:][~np.eye(4, dtype=bool)]])
    return float(within.mean() - cosines[:4, 4:].mean())


def test_what_is_read_together_comes_together(tuned: Tuned, title_encoder: TitleEncoder, tmp_path) -> None:
    save(tuned, tmp_path)
    before = title_encoder.encode(articles())[0]
    after = TitleEncoder(TextModel(str(tmp_path), device="cpu")).encode(articles())[0]
    assert contrast_of_sides(after) > contrast_of_sides(before) + 0.3
    assert len(tuned.losses) == QUICK.steps
    assert tuned.losses[-1] < tuned.losses[0]


def test_the_saved_folder_is_an_encoder_with_an_id_of_its_own(
    tuned: Tuned, title_encoder: TitleEncoder, tmp_path
) -> None:
    save(tuned, tmp_path / "title-1")
    encoder = TitleEncoder(TextModel(str(tmp_path / "title-1"), device="cpu", dtype=torch.float32))
    assert encoder.encoder_id.startswith("title-1@")
    assert encoder.encoder_id.split(":")[1] == title_encoder.encoder_id.split(":")[1]
    ids = tuned.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = tuned.model(**ids).last_hidden_state
    real = ids["attention_mask"][..., None]
    expected = nn.functional.normalize((states * real).sum(1) / real.sum(1), dim=1)
    np.testing.assert_allclose(encoder.encode(articles())[0], expected, atol=1e-5)


def test_only_the_last_layers_changed(tuned: Tuned) -> None:
    before, after = load_model(SOURCE).state_dict(), tuned.model.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {".".join(name.split(".")[:3]) for name in changed} == {"encoder.layer.4", "encoder.layer.5"}
    assert not any(parameter.requires_grad for parameter in tuned.model.parameters())


def test_the_same_seed_tunes_the_same_weights(tuned: Tuned) -> None:
    short = TuneConfig(steps=2, batch=4)
    first, again, other = (fine_tune(SOURCE, TEXTS, PAIRS, config=short, seed=seed).digest for seed in (0, 0, 1))
    assert first == again
    assert len({first, other, tuned.digest}) == 3


def test_an_anchor_holds_the_vectors_near_the_frozen_ones(title_encoder: TitleEncoder, tmp_path) -> None:
    frozen = title_encoder.encode(articles())[0]
    away = []
    for anchor in (0.0, 50.0):
        config = TuneConfig(steps=8, batch=24, rate=3e-4, anchor=anchor)
        save(fine_tune(SOURCE, TEXTS, PAIRS, config=config), tmp_path / str(anchor))
        encoder = TitleEncoder(TextModel(str(tmp_path / str(anchor)), device="cpu"))
        away.append(float((1 - (encoder.encode(articles())[0] * frozen).sum(axis=1)).mean()))
    assert away[1] < away[0] / 2


def test_the_last_layers_alone_say_what_the_whole_model_says() -> None:
    model, tokenizer = load_model(SOURCE).requires_grad_(False), load_tokenizer(SOURCE)
    layers = LastLayers(model, tokenizer, 3)
    kept = layers.keep(["", *TEXTS])
    with layers.alone(kept):
        layers.tuned.eval()  # without dropout
        alone = layers.vectors(kept, np.arange(len(TEXTS) + 1))
    assert (alone * kept.vectors).sum(dim=1).min() > 0.999
    plain = TextModel(device="cpu", dtype=torch.float32).vectors(TEXTS)
    assert (kept.vectors[1:].numpy() * plain).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("layers", [0, 6])
def test_some_layer_is_tuned_and_some_layer_stays(layers: int) -> None:
    with pytest.raises(RecsysError, match="6 layers"):
        fine_tune(SOURCE, TEXTS, PAIRS, config=TuneConfig(layers=layers))


def test_a_model_without_a_row_of_layers_is_refused() -> None:
    with pytest.raises(RecsysError, match="no row of layers"):
        LastLayers(nn.Linear(2, 2), load_tokenizer(SOURCE), 1)


def test_the_loss_by_hand() -> None:
    """Two pairs of equal vectors at right angles: each finds its partner among two strangers."""
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    pairs, nothing = torch.tensor([[0, 1], [2, 3]]), torch.zeros(4)
    own = np.exp(1 / 0.5)
    assert contrast(vectors, pairs, nothing, 0.5).item() == pytest.approx(-np.log(own / (own + 2)), rel=1e-5)
    popular = torch.tensor([0.0, 0.0, 0.0, np.log(4.0)]).float()
    rarer = contrast(vectors, pairs[:1], popular, 0.5).item()  # a popular stranger counts a quarter
    assert rarer == pytest.approx(-np.log(own / (own + 1.25)), rel=1e-5)


def test_the_chance_of_being_drawn_by_hand() -> None:
    pairs = np.array([[0, 1], [0, 2]])  # row 0 is half of what is drawn
    np.testing.assert_allclose(log_inclusion(pairs, 2).exp(), [0.75, 1 - 0.75**2, 1 - 0.75**2], rtol=1e-6)
