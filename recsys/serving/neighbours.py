"""Articles near another one, in the fused view or by one modality alone, or near something that is no article."""

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import Floats32, Ints
from recsys.database import articles, merges
from recsys.domain import Neighbour, NotKnownError, Timestamp
from recsys.pipeline.content import Content
from recsys.pipeline.model import Model
from recsys.retrieval.index import VectorIndex
from recsys.serving.answering import current
from recsys.serving.lines import image_url

BLOCK = 65536  # articles looked at in one go
SPARE = 20  # neighbours looked up beyond those wanted, since some may be gone from the catalogue


def neighbours(
    session: Session, model: Model, article_id: str, by: str, limit: int, *, live: Ints, at: Timestamp
) -> list[Neighbour]:
    """The ``limit`` nearest of the ``live`` articles (keys) that are in the catalogue at this moment, nearest first.

    Raises:
        NotKnownError: when the article or the modality is not known.
    """
    key = merges.surviving_keys(session, [article_id]).get(article_id)
    if key is None or key not in articles.cards_by_key(session, [key]):
        raise NotKnownError(f"There is no article {article_id!r} in the catalogue.")
    similarity, keys = _nearest(model, key, by, limit + SPARE, live[live != key])
    return _described(session, similarity, keys, limit, at)


def neighbours_of_content(
    session: Session, model: Model, content: Content, limit: int, *, live: Ints, at: Timestamp
) -> list[Neighbour]:
    """The same for raw vectors of something that is no article, one row by modality: by the mean of their cosines."""
    space, index = model.views.towers.content_space, model.views.content
    vectors = space.vectors(content, np.zeros(1, np.int64))
    query = np.stack([space.only(name, vectors) for name in content.vectors]).mean(axis=0)
    says = np.any([index.says(live, space.parts[name]) for name in content.vectors], axis=0)
    scores, keys = index.search(query, limit + SPARE, allowed=live[says])
    found = keys[0] >= 0
    return _described(session, scores[0][found], keys[0][found], limit, at)


def _described(session: Session, similarity: Floats32, keys: Ints, limit: int, at: Timestamp) -> list[Neighbour]:
    """The first of them that are in the catalogue at this moment."""
    found = current(articles.cards_by_key(session, keys.tolist()), at)
    pairs = [(int(k), float(s)) for k, s in zip(keys, similarity, strict=True) if int(k) in found][:limit]
    return [Neighbour(found[k].article_id, found[k].title, s, image_url(found[k])) for k, s in pairs]


def _nearest(model: Model, key: int, by: str, limit: int, allowed: Ints) -> tuple[Floats32, Ints]:
    """Similarities and keys of the nearest articles; what says nothing in this view is near to nothing."""
    views, space = model.views, model.views.towers.content_space
    wanted = np.array([key], np.int64)
    if by == "fused":
        return _by_cosine(views.learned, views.learned.vectors(wanted)[0][0], limit, allowed)
    if by not in space.modalities:
        raise NotKnownError(f"There is no view {by!r}: choose fused, {' or '.join(space.modalities)}.")
    query = space.only(by, views.content.vectors(wanted)[0])
    scores, keys = views.content.search(query, limit, allowed=allowed[views.content.says(allowed, space.parts[by])])
    found = (keys[0] >= 0) & query.any()
    return scores[0][found], keys[0][found]


def _by_cosine(index: VectorIndex, query: Floats32, limit: int, allowed: Ints) -> tuple[Floats32, Ints]:
    """The ``limit`` of highest cosine; vectors of articles of which little is known may be shorter than others.

    All are looked at: an inner-product index finds the long ones.
    """
    cosines, keys = np.zeros(0, np.float32), np.zeros(0, np.int64)
    for start in range(0, len(allowed), BLOCK):
        some = allowed[start : start + BLOCK]
        vectors = index.vectors(some)[0]
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
        said = lengths > 0
        cosines = np.append(cosines, (vectors[said] @ query) / lengths[said])
        keys = np.append(keys, some[said])
        best = np.lexsort((keys, -cosines))[:limit]
        cosines, keys = cosines[best], keys[best]
    return np.minimum(cosines, 1.0), keys
