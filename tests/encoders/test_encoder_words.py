"""Unknown tokens: English passes, what the English model cannot read is named with its cure."""

import pytest

from recsys.domain import Article
from recsys.encoders import language_warnings
from recsys.encoders.text import TitleEncoder
from recsys.encoders.words import is_shattered, unknown_share, words

HEADLINES = {
    "en": ["Police seek two men after harbour robbery", "Why rents keep rising in the big cities", "Sun until Sunday"],
    "da": ["Politiet leder efter to mænd efter et væbnet røveri", "Derfor bliver det dyrere at købe bolig"],
    "de": ["Warum die Mieten in deutschen Großstädten weiter steigen", "Polizei sucht nach Überfall zwei Männer"],
    "fr": ["La police recherche deux hommes après un vol à main armée", "Pourquoi les loyers augmentent"],
    "pl": ["Policja szuka dwóch mężczyzn po napadzie", "Dlaczego czynsze wciąż rosną"],
    "vi": ["Cảnh sát truy tìm hai người đàn ông", "Vì sao giá thuê nhà tiếp tục tăng"],
    "el": ["Η αστυνομία αναζητά δύο άνδρες μετά από ληστεία"],
    "ru": ["Полиция разыскивает двух мужчин после ограбления"],
    "ar": ["الشرطة تبحث عن رجلين بعد عملية سطو"],
    "hi": ["पुलिस डकैती के बाद दो लोगों की तलाश कर रही है"],
    "zh": ["警方正在寻找两名抢劫嫌疑人", "为什么大城市的房租还在上涨"],
    "ja": ["警察は強盗事件の容疑者二人を捜している"],
    "th": ["ตำรวจตามหาชายสองคนหลังเหตุปล้น"],
}


def articles_in(*languages: str) -> list[Article]:
    pairs = [(language, text) for language in languages for text in HEADLINES[language]]
    return [Article(str(i), title=text, language=language) for i, (language, text) in enumerate(pairs)]


@pytest.mark.parametrize("language", [language for language in HEADLINES if language != "en"])
def test_a_language_the_english_model_cannot_read_is_named(language: str, title_encoder: TitleEncoder) -> None:
    shares = title_encoder.unknown_share(articles_in("en", language))
    assert shares["en"] < 0.1 < shares[language]
    (warning,) = language_warnings(shares)
    assert repr(language) in warning
    assert "RECSYS_TITLE_ENCODER" in warning
    assert "multilingual" in warning


def test_titles_without_a_language_are_counted_as_unknown(title_encoder: TitleEncoder) -> None:
    shares = title_encoder.unknown_share([Article("1", title="Rain all week"), Article("2", title="", language="da")])
    assert shares == {"unknown": 0.0}
    assert language_warnings(shares) == []


def test_titles_without_words_say_nothing(title_encoder: TitleEncoder) -> None:
    assert title_encoder.unknown_share([Article("1", title="2024: 🎉 3-1", language="en")]) == {}
    assert title_encoder.unknown_share([]) == {}


def test_words_are_letters_with_their_marks_and_single_han_characters() -> None:
    assert words("Sol, og 25 grader! 🎉 l'été") == ["Sol", "og", "grader", "l", "été"]
    assert words("पेंशन सुधार") == ["पेंशन", "सुधार"]
    assert words("iPhone发布会") == ["iPhone", "发", "布", "会"]


def test_the_share_counts_every_occurrence() -> None:
    pieces = {"known": [5], "twofold": [6, 7], "unknown": [0], "scraps": [8, 9, 10]}

    def tokenize(some: list[str]) -> list[list[int]]:
        return [pieces[word] for word in some]

    texts = ["known known known", "twofold unknown scraps"]
    assert unknown_share(texts, tokenize, 0, shattered_is_unknown=True) == pytest.approx(2 / 7)
    assert unknown_share(texts, tokenize, 0, shattered_is_unknown=False) == pytest.approx(1 / 9)
    assert unknown_share(texts, tokenize, None, shattered_is_unknown=False) == 0.0


def test_scraps() -> None:
    assert [is_shattered("word", 1), is_shattered("wordless", 2), is_shattered("word", 3)] == [False, False, True]
    assert is_shattered("også", 2)


def test_the_limit_is_ten_percent() -> None:
    assert language_warnings({"en": 0.1}) == []
    assert len(language_warnings({"en": 0.101, "da": 0.5, "sv": 0.02})) == 2
