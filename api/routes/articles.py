"""The catalogue."""

import time
from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Body, HTTPException, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session
from starlette.staticfiles import NotModifiedResponse

from api import pictures
from api.deps import WRITES, SessionsDep, SettingsDep
from api.fields import PathId, instant
from api.paths import path_to
from api.problems import documented, invalid
from api.schemas import ArticleIn, ArticleMergedOut, ArticleOut, ArticlePost, ArticlePut, ArticlesOut, MergeIn
from api.security import needs
from recsys.database import articles, merges
from recsys.database.session import writing
from recsys.database.types import storable
from recsys.domain import Article, NotKnownError, NotPossibleError, Timestamp
from recsys.ingest.pictures import located
from recsys.serving.lines import image_url
from recsys.settings import Settings

router = APIRouter(prefix="/articles")

MOST_ARTICLES = 1000
AS_SENT = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}  # another picture may come to its address

Sent = TypeVar("Sent", bound=ArticleIn)


@router.put(
    "/{article_id}",
    dependencies=[needs("write"), WRITES],
    responses={201: {"model": ArticleOut, "description": "It was not there before"}, **documented(409)},
)
def put_article(
    article_id: PathId, body: ArticlePut, response: Response, sessions: SessionsDep, settings: SettingsDep
) -> ArticleOut:
    """Write an article, or overwrite all of it; 409 for an id that was merged into another article.

    Vectors are made again when a title, text or picture changed; what happened with the article stays with it.
    """
    if body.article_id not in (None, article_id):
        raise invalid("article_id", "it is not the id in the path: leave it out")
    body = _with_file(body, settings)
    with writing(sessions) as session:
        _check_own(session, [article_id])
        before = _before(session, [article_id])
        article = _article(article_id, body, before, storable(time.time()))
        articles.put_articles(session, [article])
    response.status_code = 201 if before.get(article_id) in (None, Article(article_id)) else 200  # an id is no article
    return _out(article)


@router.post("", responses=documented(409), dependencies=[needs("write"), WRITES])
def post_articles(
    body: Annotated[list[ArticlePost], Body(max_length=MOST_ARTICLES)], sessions: SessionsDep, settings: SettingsDep
) -> ArticlesOut:
    """Write a list of articles: all of them, or none when one is wrong or merged. Of equal ids the last counts."""
    sent = [_with_file(article, settings) for article in body]
    with writing(sessions) as session:
        _check_own(session, [article.article_id for article in sent])
        before, now = _before(session, [article.article_id for article in sent]), storable(time.time())
        changed = articles.put_articles(session, [_article(a.article_id, a, before, now) for a in sent])
    return ArticlesOut(articles=len(sent), changed=changed)


@router.get("/{article_id}", responses=documented(301, 404), dependencies=[needs("read")])
def get_article(article_id: PathId, sessions: SessionsDep, request: Request) -> ArticleOut:
    """One article; 301 to the one that goes on for an id that was merged."""
    return _out(_found(sessions, article_id, request, "get_article"))


@router.delete("/{article_id}", status_code=204, responses=documented(404, 409), dependencies=[needs("write"), WRITES])
def delete_article(article_id: PathId, sessions: SessionsDep) -> None:
    """Take an article out of the catalogue: from now on it is not recommended. 409 for an id that was merged."""
    with writing(sessions) as session:
        _check_own(session, [article_id])
        if not articles.delete_article(session, article_id, time.time()):
            raise _unknown(article_id)


@router.post("/{article_id}/merge", responses=documented(404, 409), dependencies=[needs("write"), WRITES])
def merge_article(article_id: PathId, body: MergeIn, sessions: SessionsDep) -> ArticleMergedOut:
    """Two articles are one: this id leaves the catalogue and stays as an alias of the article `into`.

    Whoever read it has read the other one, and its clicks and lists count for the other one; events and requests that
    still name it mean the other one. Merging again changes nothing. 404 when either is unknown, or `into` was deleted;
    409 for an article into itself, or one that was merged into a third.
    """
    with writing(sessions) as session:
        return ArticleMergedOut(article_id=article_id, into=merges.merge(session, article_id, body.into, time.time()))


@router.get(
    "/{article_id}/image", responses=documented(301, 404), response_class=FileResponse, dependencies=[needs("read")]
)
def get_image(article_id: PathId, sessions: SessionsDep, settings: SettingsDep, request: Request) -> Response:
    """The picture of an article, where this server holds it; 301 to the one that goes on for an id that was merged."""
    found = pictures.shown(_found(sessions, article_id, request, "get_image").image, settings.media)
    if found is None:
        raise NotKnownError(f"Article {article_id!r} has no picture on this server.")
    path, kind = found
    answer = FileResponse(path, media_type=kind, headers=AS_SENT, stat_result=path.stat())
    if request.headers.get("if-none-match") == answer.headers["etag"]:
        return NotModifiedResponse(answer.headers)
    return answer


def _with_file(sent: Sent, settings: Settings) -> Sent:
    """The article with its picture as the catalogue keeps it; files are written before the database is locked."""
    if sent.image is None:
        return sent
    return sent.model_copy(update={"image": located(sent.image, settings.media, settings.media)})


def _before(session: Session, article_ids: Sequence[str]) -> dict[str, Article]:
    """Those of the articles that are in the catalogue already."""
    keys = articles.keys_of(session, article_ids)
    return {known.article_id: known for known in articles.articles_by_key(session, keys.values()).values()}


def _article(article_id: str, sent: ArticleIn, before: dict[str, Article], now: Timestamp) -> Article:
    """Without a time of publication an article keeps the one it had, or was published just now."""
    known = before.get(article_id)
    published = now if known is None or known.published_at is None else known.published_at
    return Article(
        article_id=article_id,
        title=sent.title,
        summary=sent.summary,
        body=sent.body,
        section=sent.section,
        author=sent.author,
        language=sent.language,
        url=sent.url,
        image=sent.image if sent.image_url is None else _kept_picture(article_id, sent.image_url, known),
        published_at=published if sent.published_at is None else sent.published_at.timestamp(),
        expires_at=None if sent.expires_at is None else sent.expires_at.timestamp(),
        premium=sent.premium,
        length=len(sent.body) if sent.length is None and sent.body is not None else sent.length,
    )


def _kept_picture(article_id: str, path: str, known: Article | None) -> str | None:
    """The picture that an article has, named by the path that its own ``image_url`` is."""
    if known is None or path != image_url(known):
        raise invalid("image_url", f"it is no http(s) address, and not the picture that article {article_id!r} has")
    return known.image


def _check_own(session: Session, article_ids: Sequence[str]) -> None:
    """Refuse ids that are aliases: what is written under one would be lost, or be two articles again."""
    for article_id, into in merges.merged_into(session, article_ids).items():
        raise NotPossibleError(f"Article {article_id!r} was merged into {into!r}: send {into!r} instead.")


def _found(sessions: SessionsDep, article_id: str, request: Request, route: str) -> Article:
    with sessions() as session:
        article = articles.get_article(session, article_id)
        into = merges.merged_into(session, [article_id]).get(article_id)
    if into is not None:
        place = path_to(request, route, article_id=into)
        raise HTTPException(301, f"Article {article_id!r} was merged into {into!r}.", {"Location": place})
    if article is None:
        raise _unknown(article_id)
    return article


def _unknown(article_id: str) -> NotKnownError:
    return NotKnownError(f"There is no article {article_id!r} in the catalogue: PUT it to /v1/articles first.")


def _out(article: Article) -> ArticleOut:
    return ArticleOut(
        article_id=article.article_id,
        title=article.title,
        summary=article.summary,
        body=article.body,
        section=article.section,
        author=article.author,
        language=article.language,
        url=article.url,
        image_url=image_url(article),
        published_at=None if article.published_at is None else instant(article.published_at),
        expires_at=None if article.expires_at is None else instant(article.expires_at),
        premium=article.premium,
        length=article.length,
    )
