"""How near candidates are to a user's history and to the article being read, as scalars for the ranking head.

Only inner products and cosines leave this file, so the towers' bases may change without the head noticing.
"""

import numpy as np
from numba import njit

from recsys.columns import NONE, Floats, Floats32, Ints
from recsys.features.examples import Examples
from recsys.pipeline.model import Views
from recsys.progress import Progress

LEARNED = ("learned", "learned_context", "learned_there")
BLOCK = 512  # lists whose users are computed at once
CONTENT = ("mean", "best", "last", "context", "there")


def names(modalities: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns that ``affinities`` gives: none without content.

    Then the learned vectors hold nothing but ids, and say nothing of what is newer than the training.
    """
    content = tuple(f"{modality}_{what}" for modality in modalities for what in CONTENT)
    return LEARNED + content if content else ()


def user_vectors(views: Views, history: Ints, ages: Floats) -> Floats32:
    """User vectors (batch, dim) of histories (batch, h) of keys, oldest first, NONE padded, with ages in seconds."""
    batch, size = history.shape
    items, known = views.learned.vectors(history.ravel())
    return views.towers.user_vectors(items.reshape(batch, size, items.shape[1]), ages, known.reshape(batch, size))


def affinities(
    views: Views, modalities: tuple[str, ...], keys: Ints, user: Floats32, history: Ints, context: int
) -> Floats32:
    """Affinities of candidate ``keys`` (n,) to one user: their vector (dim,) and history (h,) of keys, oldest first.

    Returns float32 (n, columns); zeros where there is nothing to compare with.
    """
    out = np.zeros((len(keys), len(names(modalities))), np.float32)
    if not modalities:
        return out
    here = np.full(int(context != NONE), context)  # (1,), or (0,) where no article is being read
    _learned(views, keys, user, len(history) > 0, here, out)
    space = views.towers.content_space
    candidates, read, page = (views.content.vectors(articles)[0] for articles in (keys, history, here))
    for number, modality in enumerate(modalities):
        part, column, length = space.parts[modality], len(LEARNED) + len(CONTENT) * number, space.weight[modality]
        own, clicked = candidates[:, part], read[:, part]
        cosines = own @ clicked[clicked.any(axis=1)].T  # but for the squared length of all these vectors
        _content(candidates, part.start, part.stop, cosines, length, out, column)
        if len(page):
            out[:, column + 3] = own @ page[0, part] / np.float32(length)
    return out


def example_affinities(
    views: Views | None, modalities: tuple[str, ...], examples: Examples, lists: range, progress: Progress | None = None
) -> Floats32:
    """Affinities of the rows of these ``lists`` of examples, one after the other (rows, columns).

    Without ``views`` (no towers were fitted yet) all are zero; without modalities there are no columns.
    """
    first, last = examples.offsets[lists.start], examples.offsets[lists.stop]
    out = np.zeros((last - first, len(names(modalities))), np.float32)
    if views is None or not modalities:
        return out
    for start in range(lists.start, lists.stop, BLOCK):
        block = range(start, min(start + BLOCK, lists.stop))
        history, at = examples.history[start : block.stop], examples.at[start : block.stop, None]
        users = user_vectors(views, history, at - examples.history_at[start : block.stop])
        for i in block:
            keys = examples.keys[examples.offsets[i] : examples.offsets[i + 1]]
            read = examples.history[i][examples.history[i] != NONE]
            place = examples.offsets[i] - first
            found = affinities(views, modalities, keys, users[i - start], read, int(examples.context_article[i]))
            out[place : place + len(keys)] = found
        if progress:
            progress(block.stop, lists.stop)
    return out


def _learned(views: Views, keys: Ints, user: Floats32, has_history: bool, here: Ints, out: Floats32) -> None:
    candidates, known = views.learned.vectors(keys)
    out[:, 2] = known & candidates.any(axis=1)
    if has_history:
        out[:, 0] = candidates @ user
    if len(here):
        out[:, 1] = candidates @ views.learned.vectors(here)[0][0]


@njit(cache=True, nogil=True)  # of whole arrays: numba compiles again for a slice of one row
def _content(
    candidates: Floats32, first: int, behind: int, cosines: Floats32, length: float, out: Floats32, column: int
) -> None:
    """Write to ``out`` (n, columns) what cosines (n, h), in units of ``length``, say, and who has a vector at all.

    That is, anything in the columns from ``first`` up to ``behind`` of the candidates (n, c).
    """
    n, clicks = cosines.shape
    for i in range(n):
        if clicks > 0:
            out[i, column] = cosines[i].mean() / length
            out[i, column + 1] = cosines[i].max() / length
            out[i, column + 2] = cosines[i, clicks - 1] / length
        out[i, column + 4] = candidates[i, first:behind].any()
