"""Requests and answers, as pydantic models and annotated types."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.fields import Address, Count, Device, Id, Instant, Language, Picture, Placement, Seconds, Section, Text
from recsys.domain import Action, Context, Modality, Page, is_address

MOST_ITEMS = 1000  # of one list in a request


class ContextIn(BaseModel):
    """Where a list is shown; what is absent is a category of its own."""

    page: Page | None = None
    context_article: Id | None = Field(None, description="the article being read, on an article page")
    device: Device | None = Field(None, description="desktop, mobile, tablet, or another name")
    subscriber: bool | None = None
    placement: Placement | None = None

    def to_domain(self) -> Context:
        """The context as the rooms speak of it."""
        return Context(self.page, self.context_article, self.device, self.subscriber, self.placement)


class ReadArticleOut(BaseModel):
    """An article that the user read."""

    article_id: str
    title: str | None
    logits: float = Field(description="how far the utility falls when the clicks on it are taken out of the history")


class RankingInputOut(BaseModel):
    """An input of the ranking head."""

    feature: str
    value: float
    logits: float = Field(
        description="what it adds to the utility, beside the mean of the training (integrated gradients)"
    )


class ExplanationOut(BaseModel):
    """Why an article was recommended. Logits are of the utility that orders candidates, before editors' rules."""

    because: list[str] = Field(description="titles of the read articles nearest to it, nearest first")
    because_of: list[ReadArticleOut] = Field(description="the read articles that count most, for it or against it")
    modalities: dict[Modality, float] = Field(description="the weight that fusion gave each modality of the article")
    shapley: dict[Modality, float] = Field(
        description="what each modality adds to the utility, in logits; the sum is what all of them add"
    )
    features: dict[str, float] = Field(description="the inputs of the ranking head")
    moved_by: list[RankingInputOut] = Field(
        description="the inputs that count most, for it or against it; empty for a model without a ranking head"
    )


class AppliedRuleOut(BaseModel):
    """The editors' rule that had a hand in an article's place."""

    id: str
    action: Action


class RecommendationOut(BaseModel):
    """One line of an answer."""

    article_id: str
    title: str | None
    section: str | None
    image_url: str | None
    published_at: datetime | None
    position: int = Field(description="from 1")
    score: float = Field(
        description="P(click | shown in this list); `position` follows utility among all candidates. A model that was "
        "trained without lists predicts no clicks: then it is the article's share of one click in this list"
    )
    source: str = Field(
        description="the candidate source that ranked it highest; `editors` where only their rule named it"
    )
    explanation: ExplanationOut | None = None
    rule: AppliedRuleOut | None = Field(None, description="absent where no rule touched it")


class RecommendationsOut(BaseModel):
    """The answer to a user."""

    user_id: str
    model_version: str
    impression_id: str | None = Field(description="send it along with clicks; null where it was not logged")
    items: list[RecommendationOut]
    degraded: Literal[True] | None = Field(
        None, description="only there while the database does not answer: from what the process remembers"
    )


class RankIn(BaseModel):
    """The publisher's own list."""

    article_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_ITEMS)]
    context: ContextIn | None = None


class RankedOut(BaseModel):
    """One article of that list."""

    article_id: str
    position: int = Field(description="from 1, most likely click first")
    score: float = Field(description="P(click | shown in this list)")


class RankOut(BaseModel):
    """That list, best first."""

    user_id: str
    model_version: str
    items: list[RankedOut]


class ClickIn(BaseModel):
    """A user opened an article, or waved it away."""

    event_id: Id
    type: Literal["click", "dismiss"]
    user_id: Id
    article_id: Id
    at: Instant
    impression_id: Id | None = Field(None, description="of the list that it was made in")
    dwell_seconds: Seconds | None = None


class DwellIn(BaseModel):
    """How long a user read an article that they clicked on."""

    event_id: Id = Field(description="a repeated report changes nothing: the longest of a reading counts")
    type: Literal["dwell"]
    user_id: Id
    article_id: Id
    at: Instant
    impression_id: Id | None = None
    dwell_seconds: Seconds


class ImpressionIn(BaseModel):
    """A user saw a list."""

    event_id: Id = Field(description="where there is an impression_id, a list counts once by that")
    type: Literal["impression"]
    user_id: Id
    at: Instant
    impression_id: Id | None = Field(None, description="of the answer that was shown; else the event_id stands for it")
    items: Annotated[list[Id], Field(min_length=1, max_length=MOST_ITEMS, description="article ids in the order shown")]
    context: ContextIn | None = None

    @property
    def list_id(self) -> str:
        """By which the log knows this list."""
        return self.impression_id or self.event_id


EventIn = Annotated[ClickIn | DwellIn | ImpressionIn, Field(discriminator="type")]


class RejectedOut(BaseModel):
    """An event that was not taken."""

    index: int = Field(description="its place in the request, from 0")
    reason: str


class EventsOut(BaseModel):
    """What became of the events of a request."""

    accepted: int
    duplicates: int = Field(description="known already, or of a list that something else confirmed before")
    rejected: list[RejectedOut]


class ArticleIn(BaseModel):
    """An article; everything but its id may be missing."""

    model_config = ConfigDict(extra="forbid")

    title: Text | None = None
    summary: Text | None = None
    body: Text | None = None
    section: Section | None = None
    author: Text | None = None
    language: Language | None = Field(None, description="BCP 47 tag, like en or de-AT")
    url: Address | None = None
    image: Picture | None = Field(
        None, description="an http(s) address, or a picture as data:image/png;base64,... (also jpeg, webp, gif, ...)"
    )
    image_url: Text | None = Field(
        None,
        description="instead of `image`, what GET gives: an address, or this API's own path, which keeps the picture",
    )
    published_at: Instant | None = Field(None, description="the time of receipt where it is not given")
    expires_at: Instant | None = Field(None, description="not recommended from then on")
    premium: bool | None = None
    length: Count | None = Field(None, description="characters in the body")

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        if self.image is not None and self.image_url is not None:
            raise ValueError("send image or image_url, not both")
        if self.image_url is not None and is_address(self.image_url):
            self.image, self.image_url = self.image_url, None
        return self


class ArticlePut(ArticleIn):
    """An article whose id stands in the path; in the body it may be repeated."""

    article_id: Id | None = None


class ArticlePost(ArticleIn):
    """An article with its id."""

    article_id: Id


class ArticleOut(BaseModel):
    """An article of the catalogue."""

    article_id: str
    title: str | None
    summary: str | None
    body: str | None
    section: str | None
    author: str | None
    language: str | None
    url: str | None
    image_url: str | None
    published_at: datetime | None
    expires_at: datetime | None
    premium: bool | None
    length: int | None


class ArticlesOut(BaseModel):
    """What became of a list of articles."""

    articles: int = Field(description="taken")
    changed: int = Field(description="new or different from before")


class MergeIn(BaseModel):
    """What it turned out to be."""

    into: Id = Field(description="the id that goes on")


class ArticleMergedOut(BaseModel):
    """An article that is an alias now."""

    article_id: str
    into: str = Field(description="the article that goes on; the end of the chain where `into` was merged itself")


class NeighbourOut(BaseModel):
    """An article near another one."""

    article_id: str
    title: str | None
    similarity: float = Field(description="cosine")
    image_url: str | None


class SimilarOut(BaseModel):
    """The nearest articles of one."""

    article_id: str
    by: str
    items: list[NeighbourOut]
