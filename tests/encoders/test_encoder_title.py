"""Texts: the sentence vectors mean what they should, and no text is too strange."""

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
from recsys.encoders.source import TEXT_PACKAGE
from recsys.encoders.text import BodyEncoder, SummaryEncoder, TitleEncoder
from recsys.encoders.text_model import TextModel


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
    theirs = library.SentenceTransformer(str(TEXT_PACKAGE.checked_weights().parent), device="cpu").encode(texts)
    ours, _ = exact_title_encoder.encode(titled(*texts))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_bfloat16_keeps_the_direction(exact_title_encoder: TitleEncoder) -> None:
    articles = titled("Rain", "Parliament passes the budget after a night of talks", "é", "!?", "word " * 400)
    exact, _ = exact_title_encoder.encode(articles)
    rounded, _ = TitleEncoder(TextModel(device="cpu", dtype=torch.bfloat16)).encode(articles)
    assert (exact * rounded).sum(1).min() > 0.999


@pytest.mark.parametrize("title", ["", "   ", "\n\t", "\u200b", "\u00a0\u2003", "\x00"])
def test_a_title_that_cannot_be_seen_is_missing(title: str, title_encoder: TitleEncoder) -> None:
    (article,) = titled(title)
    assert title_encoder.status(article) == "missing"
    assert title_encoder.content_hash(article) is None
    vectors, mask = title_encoder.encode([article])
    assert not mask.any()
    assert not vectors.any()


STRANGE = {
    "one long word": "x" * 10_000,
    "many words": "word " * 2_000,
    "emoji": "🎉",
    "a family of joined emoji": "👩‍👩‍👧‍👦 🏳️‍🌈",
    "half a surrogate pair": "\ud800 half a pair",
    "a zero": "a\x00b",
    "control characters": "\x07Alarm\x1b[31m in red\x08\x7f",
    "right to left": "كتاب جديد عن تاريخ المدينة",
    "both ways": "\u202eshalom\u202c שלום means peace\u2066",
    "marks on marks": "Z͑ͫ̓a̴l̶g̷o̸" + "\u0301" * 3_000,
    "a sign": "?",
    "spaces in between": "first" + " " * 9_000 + "last",
    "lines": "one\r\ntwo\u2028three\ttab",
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_titles_are_encoded(kind: str, title_encoder: TitleEncoder) -> None:
    (article,) = titled(STRANGE[kind])
    vectors, mask = title_encoder.encode([article])
    assert mask.all()
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-4)
    assert title_encoder.content_hash(article)
    again = title_encoder.encode([article, *titled("another")])[0][0]
    assert vectors[0] @ again > 0.999


def test_a_text_is_the_same_to_title_and_summary_and_a_short_body(
    title_encoder: TitleEncoder, summary_encoder: SummaryEncoder, body_encoder: BodyEncoder
) -> None:
    text = "Snow in May surprises the north"
    article = Article("a", title=text, summary=text, body=text)
    title, summary, body = (e.encode([article])[0][0] for e in (title_encoder, summary_encoder, body_encoder))
    np.testing.assert_array_equal(title, summary)
    assert title_encoder.content_hash(article) == summary_encoder.content_hash(article)
    assert title @ body > 0.999
    assert body_encoder.encoder_id != title_encoder.encoder_id  # a long one is read otherwise


def test_a_body_is_read_for_four_windows(exact_body_encoder: BodyEncoder, exact_title_encoder: TitleEncoder) -> None:
    """254 words fill a window; the mean over all tokens counts each window alike."""
    parts = ["rain " * 254, "banana " * 254, "senate " * 254, "goal " * 254]
    alone, _ = exact_title_encoder.encode(titled(*parts))
    some = [Article("4", body="".join(parts)), Article("5", body="".join(parts) + "violin " * 500)]
    whole, _ = exact_body_encoder.encode(some)
    mean = alone.mean(axis=0) / np.linalg.norm(alone.mean(axis=0))
    assert whole[0] @ mean > 0.98  # windows are averaged before their lengths are made alike
    np.testing.assert_allclose(whole[0], whole[1], atol=1e-4)


def test_what_lies_far_behind_in_a_body_is_no_new_content(body_encoder: BodyEncoder) -> None:
    body = "word " * 10_000
    first, second, third = (Article("a", body=text) for text in (body, f"{body} corrected", f"Corrected: {body}"))
    assert body_encoder.content_hash(first) == body_encoder.content_hash(second) != body_encoder.content_hash(third)


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

    monkeypatch.setattr("recsys.encoders.text_model.TEXT_PACKAGE", replace(TEXT_PACKAGE, sha256="0" * 64))
    with pytest.raises(RecsysError, match="reinstall"):
        TitleEncoder(TextModel(device="cpu")).encode(titled("text"))


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
    encoder = TitleEncoder(TextModel(str(tmp_path), device="cpu", dtype=torch.float32))
    assert encoder.dim == dim
    short, long = titled("w1 w2"), titled("w1 w2", "w3 " * 300)
    alone, _ = encoder.encode(short)
    together, mask = encoder.encode(long)
    assert mask.all()
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)  # padding counts for nothing
    body = [Article("short", body="w1 w2"), Article("long", body="w3 w4 " * 2_000)]
    for view in (0, 1):
        vectors, mask = BodyEncoder(TextModel(str(tmp_path), device="cpu", dtype=torch.float32)).encode(body, view)
        assert mask.all()
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_id_of_a_folder_follows_its_weights(tmp_path) -> None:
    ids = set()
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        SMALL_MODELS["bert"]().save_pretrained(tmp_path)
        ids.add(TitleEncoder(TextModel(str(tmp_path), device="cpu")).encoder_id)
    assert len(ids) == 2
    assert all(name.startswith(f"{tmp_path.name}@") for name in ids)


def test_a_folder_without_a_model_is_explained(tmp_path) -> None:
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        TitleEncoder(TextModel(str(tmp_path)))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER"):
        TitleEncoder(TextModel(str(tmp_path))).encode(titled("text"))
