"""Titles: the sentence vectors mean what they should, and no title is too strange."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
)

from recsys.domain import Article, RecsysError
from recsys.encoders.source import TITLE_PACKAGE
from recsys.encoders.title import TitleEncoder


def titled(*titles: str | None) -> list[Article]:
    return [Article(str(i), title=title) for i, title in enumerate(titles)]


def test_the_id_names_model_weights_steps_and_number_type(exact_title_encoder: TitleEncoder) -> None:
    assert exact_title_encoder.encoder_id == "all-MiniLM-L6-v2@53aa5117:mean-l2-v1:fp32"
    assert exact_title_encoder.dim == 384


def test_vectors_have_unit_length_and_like_meanings_are_near(title_encoder: TitleEncoder) -> None:
    vectors, _ = title_encoder.encode(
        titled(
            "Central bank raises interest rates again",
            "Borrowing gets dearer as the lender of last resort tightens policy",
            "Striker scores twice in derby win",
        )
    )
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 2 * abs(vectors[0] @ vectors[2])


def test_vectors_are_those_of_the_model_s_own_library(exact_title_encoder: TitleEncoder) -> None:
    """sentence-transformers reads the pooling and normalisation from the model's files; we state them ourselves."""
    library = pytest.importorskip("sentence_transformers")
    texts = ["Heavy snow expected", "A longer headline about the price of bread, butter and coffee in small towns"]
    theirs = library.SentenceTransformer(str(TITLE_PACKAGE.checked_weights().parent), device="cpu").encode(texts)
    ours, _ = exact_title_encoder.encode(titled(*texts))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_bfloat16_keeps_the_direction(exact_title_encoder: TitleEncoder) -> None:
    articles = titled("Rain", "Parliament passes the budget after a night of talks", "é", "!?", "word " * 400)
    exact, _ = exact_title_encoder.encode(articles)
    rounded, _ = TitleEncoder(device="cpu", dtype=torch.bfloat16).encode(articles)
    assert (exact * rounded).sum(1).min() > 0.999


@pytest.mark.parametrize("title", ["", "   ", "\n\t", "\u200b", "\u00a0\u2003", "\x00"])
def test_a_title_that_cannot_be_seen_is_missing(title: str, title_encoder: TitleEncoder) -> None:
    (article,) = titled(title)
    assert title_encoder.status(article) == "missing"
    assert title_encoder.content_hash(article) is None
    vectors, mask = title_encoder.encode([article])
    assert not mask.any()
    assert not vectors.any()


@pytest.mark.parametrize("title", ["x" * 10_000, "word " * 2_000, "🎉", "\ud800 half a pair", "a\x00b", "كتاب", "?"])
def test_strange_titles_are_encoded(title: str, title_encoder: TitleEncoder) -> None:
    (article,) = titled(title)
    vectors, mask = title_encoder.encode([article])
    assert mask.all()
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-4)
    assert title_encoder.content_hash(article)


def test_only_the_first_256_tokens_count(exact_title_encoder: TitleEncoder) -> None:
    start = "rain " * 254  # with its two marks 256 tokens
    vectors, _ = exact_title_encoder.encode(titled(start, start + "banana " * 300, "banana " * 254))
    assert vectors[0] @ vectors[1] > 0.9999
    assert vectors[0] @ vectors[2] < 0.9


def test_space_around_a_title_changes_nothing(title_encoder: TitleEncoder) -> None:
    plain, padded = titled("Snow in May", "  Snow in May\n")
    assert title_encoder.content_hash(plain) == title_encoder.content_hash(padded)


def test_damaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr("recsys.encoders.title.TITLE_PACKAGE", replace(TITLE_PACKAGE, sha256="0" * 64))
    with pytest.raises(RecsysError, match="reinstall"):
        TitleEncoder(device="cpu").encode(titled("text"))


def word_tokenizer(pad: str | None) -> PreTrainedTokenizerFast:
    """A whitespace tokenizer of a hundred words, with or without a padding token."""
    vocabulary = {"<unk>": 0, "</s>": 1, "<pad>": 2} | {f"w{i}": i + 3 for i in range(97)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", pad_token=pad, model_max_length=1000
    )


SMALL_MODELS = {
    "bert": lambda: BertModel(
        BertConfig(vocab_size=100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                   max_position_embeddings=32)
    ),
    "gpt2": lambda: GPT2Model(GPT2Config(vocab_size=100, n_embd=24, n_layer=1, n_head=2, n_positions=64)),
    "t5": lambda: T5Model(T5Config(vocab_size=100, d_model=20, d_ff=16, num_layers=1, num_heads=2, d_kv=4)),
}  # fmt: skip


@pytest.mark.parametrize(("family", "dim"), [("bert", 16), ("gpt2", 24), ("t5", 20)])
def test_any_text_model_in_a_folder(family: str, dim: int, tmp_path) -> None:
    """With and without a padding token, an encoder-decoder, and one that takes fewer than 256 tokens."""
    torch.manual_seed(0)
    SMALL_MODELS[family]().save_pretrained(tmp_path)
    word_tokenizer(None if family == "gpt2" else "<pad>").save_pretrained(tmp_path)
    encoder = TitleEncoder(str(tmp_path), device="cpu", dtype=torch.float32)
    assert encoder.dim == dim
    short, long = titled("w1 w2"), titled("w1 w2", "w3 " * 300)
    alone, _ = encoder.encode(short)
    together, mask = encoder.encode(long)
    assert mask.all()
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)  # padding counts for nothing


def test_the_id_of_a_folder_follows_its_weights(tmp_path) -> None:
    ids = set()
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        SMALL_MODELS["bert"]().save_pretrained(tmp_path)
        ids.add(TitleEncoder(str(tmp_path), device="cpu").encoder_id)
    assert len(ids) == 2
    assert all(name.startswith(f"{tmp_path.name}@") for name in ids)


def test_a_folder_without_a_model_is_explained(tmp_path) -> None:
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        TitleEncoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        TitleEncoder(str(tmp_path)).encode(titled("text"))
