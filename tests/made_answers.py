"""The state of a whole log at once, and an answer to one request: what serving does step by step and for many."""

import numpy as np
from sqlalchemy.orm import Session

from recsys.domain import Modality, Timestamp
from recsys.features.replay import Replay
from recsys.pipeline.load import load_dataset
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import Answer, ListOptions, recommend_many
from recsys.pipeline.situation import Reader, Request, World


def load_world(
    session: Session, encoders: dict[Modality, str], live_hours: float, *, until: Timestamp = np.inf
) -> World:
    """The state of all articles as known strictly before ``until``."""
    data = load_dataset(session, {name: encoder for name, encoder in encoders.items() if name == "title"}, until=until)
    replay = Replay(data.attributes, data.users, live_hours=live_hours)
    replay.run(data.log, score_from=np.inf)
    return World(replay.state, data.catalogue, data.attributes, live_hours)


def recommend(
    model: Model, reader: Reader, request: Request, limit: int, *, diversity: float, section_cap: int
) -> Answer:
    """The ``limit`` best articles for one request."""
    return recommend_many(model, reader, [request], ListOptions(limit, diversity, section_cap))[0]
