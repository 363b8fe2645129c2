"""How near candidates are to a user's history and to the article being read, as scalars for the ranking head.

Only inner products and cosines leave this file, so the towers' bases may change without the head noticing.
"""

import numpy as np

from recsys.columns import NONE, Floats, Floats32, Ints
from recsys.pipeline.model import Views

LEARNED = ("learned", "learned_context", "learned_there")
CONTENT = ("mean", "best", "last", "context", "there")


def names(modalities: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns that ``affinities`` gives."""
    return LEARNED + tuple(f"{modality}_{what}" for modality in modalities for what in CONTENT)


def affinities(
    views: Views | None, modalities: tuple[str, ...], keys: Ints, history: Ints, ages: Floats, context: int
) -> Floats32:
    """Affinities of candidate ``keys`` (n,) to a history (h,) of keys, oldest first, with its ages in seconds (h,).

    Without ``views`` (no towers were fitted yet) all are zero, as they are for a user without history.
    Returns float32 (n, columns).
    """
    out = np.zeros((len(keys), len(names(modalities))), np.float32)
    if views is None or len(keys) == 0:
        return out
    _learned(views, keys, history, ages, context, out)
    parts = views.towers.content_space.parts
    candidates, _ = views.content.vectors(keys)
    read, _ = views.content.vectors(history)
    here, _ = views.content.vectors(np.array([context], np.int64))
    for number, modality in enumerate(modalities):
        columns = out[:, len(LEARNED) + len(CONTENT) * number :]
        if modality in parts:
            part = parts[modality]
            _content(_unit(candidates[:, part]), _unit(read[:, part]), _unit(here[:, part]), columns)
    return out


def _learned(views: Views, keys: Ints, history: Ints, ages: Floats, context: int, out: Floats32) -> None:
    candidates, known = views.learned.vectors(keys)
    out[:, 2] = known & (np.abs(candidates).sum(axis=1) > 0)
    items, mask = views.learned.vectors(history)
    if mask.any():
        out[:, 0] = candidates @ views.towers.user_vectors(items[None], ages[None], mask[None])[0]
    if context != NONE:
        here, _ = views.learned.vectors(np.array([context], np.int64))
        out[:, 1] = candidates @ here[0]


def _content(candidates: Floats32, read: Floats32, here: Floats32, out: Floats32) -> None:
    there = np.abs(read).sum(axis=1) > 0
    if there.any():
        cosines = candidates @ read[there].T
        out[:, 0] = cosines.mean(axis=1)
        out[:, 1] = cosines.max(axis=1)
        out[:, 2] = cosines[:, -1]
    out[:, 3] = candidates @ here[0]
    out[:, 4] = np.abs(candidates).sum(axis=1) > 0


def _unit(vectors: Floats32) -> Floats32:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats32 = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return unit
