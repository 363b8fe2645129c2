"""Requests as the pipeline takes them: users, articles and places by their keys, with what is known of each user."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import NONE, PAGES, device_code
from recsys.database import merges, users
from recsys.domain import Context, Timestamp
from recsys.features.features import RequestContext
from recsys.features.history import UserView, empty_view
from recsys.pipeline.load import load_view
from recsys.pipeline.load_users import load_views
from recsys.pipeline.situation import Request


def request_of(
    session: Session,
    user_id: str,
    at: Timestamp,
    *,
    catalogue: int,
    context: Context = Context(),
    section: str | None = None,
    exclude: Sequence[str] = (),
) -> Request:
    """One user's request; ``catalogue`` is how many article keys this process knows, and newer ones are left out."""
    user = users.key_of(session, user_id)
    view = empty_view() if user is None else load_view(session, user, at)
    named = merges.surviving_keys(session, [*exclude, *([context.context_article] if context.context_article else [])])
    reading = named.get(context.context_article, NONE) if context.context_article else NONE
    barred = np.array([named[article_id] for article_id in exclude if article_id in named], np.int64)
    return Request(user or 0, within(view, catalogue), at, here(context, reading, catalogue), section, barred)


def requests_of(session: Session, keys: Sequence[int], at: Timestamp, *, catalogue: int) -> list[Request]:
    """Requests of many known users (keys) from nowhere in particular; 0 is a user of whom nothing is known."""
    views = load_views(session, [key for key in keys if key], at)
    return [Request(key, within(views[key], catalogue) if key else empty_view(), at) for key in keys]


def here(context: Context, reading: int, catalogue: int) -> RequestContext:
    """A context in codes; ``reading`` is the key of the article being read, or NONE."""
    return RequestContext(
        PAGES.get(context.page, 0),
        device_code(context.device),
        -1 if context.subscriber is None else int(context.subscriber),
        reading if reading < catalogue else NONE,
    )


def within(view: UserView, catalogue: int) -> UserView:
    """The view without articles that are newer than this process's catalogue."""
    if max(view.clicked.max(initial=0), view.shown.max(initial=0)) < catalogue:
        return view
    clicked, shown = view.clicked < catalogue, view.shown < catalogue
    return UserView(
        view.clicked[clicked],
        view.clicked_at[clicked],
        view.clicked_weight[clicked],
        view.shown[shown],
        view.shown_at[shown],
    )
