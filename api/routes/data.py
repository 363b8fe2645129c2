"""What the database holds, and the usual troubles with it: for the pages, and for whoever sets a site up."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.deps import LiveDep, SessionsDep, SettingsDep
from api.fields import instant
from api.problems import without_paths
from api.security import needs
from recsys.database import overview
from recsys.lifecycle.doctor import examine

router = APIRouter()

MOST_SECTIONS = 50
MOST_NEWEST = 20  # articles, and readers


class ArticleCountsOut(BaseModel):
    """The catalogue."""

    catalogue: int
    undescribed: int = Field(description="known by their id alone, from clicks and lists")


class LogOut(BaseModel):
    """The log."""

    impressions: int
    clicks: int
    readers: int
    first: datetime | None = Field(description="when the first event became known")
    last: datetime | None


class ContentsOut(BaseModel):
    """The articles of the catalogue as one encoder saw them."""

    modality: str
    encoder: str
    ok: int = Field(description="with a vector")
    missing: int = Field(description="without such content")
    broken: int = Field(description="with content that could not be read")


class SectionOut(BaseModel):
    """A section."""

    section: str
    articles: int


class TitledOut(BaseModel):
    """An article by its name."""

    article_id: str
    title: str | None


class DataOut(BaseModel):
    """What the database holds."""

    articles: ArticleCountsOut
    log: LogOut
    contents: list[ContentsOut]
    sections: list[SectionOut] = Field(description="the largest first")


class NewestOut(BaseModel):
    """Names to begin with."""

    articles: list[TitledOut] = Field(description="those that came last and have a title, newest first")
    readers: list[str] = Field(description="who clicked last, newest first")
    sections: list[str]


class FindingOut(BaseModel):
    """A trouble, and what to do about it."""

    severity: Literal["error", "warning"]
    what: str
    do: str


class FindingsOut(BaseModel):
    """What `recsys doctor` finds, errors first."""

    findings: list[FindingOut]


@router.get("/data", dependencies=[needs("admin")])
def describe_data(sessions: SessionsDep) -> DataOut:
    """Counts of articles, events and vectors; on a long log it takes seconds, since all is counted."""
    with sessions() as session:
        found = overview.overview(session, MOST_SECTIONS)
    first, last = (None, None) if found.span is None else map(instant, found.span)
    return DataOut(
        articles=ArticleCountsOut(catalogue=found.catalogue, undescribed=found.undescribed),
        log=LogOut(impressions=found.impressions, clicks=found.clicks, readers=found.readers, first=first, last=last),
        contents=[ContentsOut.model_validate(contents, from_attributes=True) for contents in found.contents],
        sections=[SectionOut(section=section, articles=count) for section, count in found.sections.items()],
    )


@router.get("/newest", dependencies=[needs("admin")])
def list_newest(sessions: SessionsDep, live: LiveDep) -> NewestOut:
    """Articles and readers to begin with, and the sections, where one knows no id yet; nothing is counted for it."""
    with sessions() as session:
        newest = overview.newest_articles(session, MOST_NEWEST)
        readers = overview.newest_readers(session, MOST_NEWEST)
    articles = [TitledOut(article_id=article_id, title=title) for article_id, title in newest]
    return NewestOut(articles=articles, readers=readers, sections=sorted(live.world.catalogue.sections))


@router.get("/findings", dependencies=[needs("admin")])
def find_troubles(settings: SettingsDep) -> FindingsOut:
    """Look for the usual troubles of log, model and host, as `recsys doctor` does; it takes seconds on a long log."""
    found = [
        FindingOut(severity=one.severity, what=without_paths(one.what, settings), do=without_paths(one.do, settings))
        for one in examine(settings)
    ]
    return FindingsOut(findings=found)
