"""Articles near another one, in the fused view or by one modality alone."""

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import Floats32, Ints
from recsys.database import articles, merges
from recsys.domain import Neighbour, NotKnownError, Timestamp
from recsys.pipeline.model import Model
from recsys.serving.answering import current
from recsys.serving.lines import image_url

SPARE = 20  # neighbours looked up beyond those wanted, since some may be gone from the catalogue


def neighbours(
    session: Session, model: Model, article_id: str, by: str, limit: int, *, live: Ints, at: Timestamp
) -> list[Neighbour]:
    """The ``limit`` nearest of the ``live`` articles (keys) that are in the catalogue at this moment, nearest first.

    Raises:
        NotKnownError: when the article or the modality is not known.
    """
    key = merges.surviving_keys(session, [article_id]).get(article_id)
    if key is None or key not in articles.articles_by_key(session, [key]):
        raise NotKnownError(f"There is no article {article_id!r} in the catalogue.")
    similarity, keys = _nearest(model, key, by, limit + SPARE, live[live != key])
    found = current(articles.articles_by_key(session, keys.tolist()), at)
    pairs = [(int(k), float(s)) for k, s in zip(keys, similarity, strict=True) if int(k) in found][:limit]
    return [Neighbour(found[k].article_id, found[k].title, s, image_url(found[k])) for k, s in pairs]


def _nearest(model: Model, key: int, by: str, limit: int, allowed: Ints) -> tuple[Floats32, Ints]:
    """Similarities and keys of the nearest articles; what says nothing in this view is near to nothing."""
    views, space = model.views, model.views.towers.content_space
    wanted = np.array([key], np.int64)
    if by == "fused":
        index, part, query = views.learned, slice(None), views.learned.vectors(wanted)[0]
    elif by in space.modalities:
        index, part, query = views.content, space.parts[by], space.only(by, views.content.vectors(wanted)[0])
    else:
        raise NotKnownError(f"There is no view {by!r}: choose fused, {' or '.join(space.modalities)}.")
    scores, keys = index.search(query, limit, allowed=allowed[index.says(allowed, part)])
    found = (keys[0] >= 0) & query.any()
    return scores[0][found], keys[0][found]
