"""Forward passes of trained modules on arrays, as answers need them.

Of the few rows of one reader torch takes longer to find out what to do than to do it. The arrays here are the modules'
own memory, so what changes in place counts at once; a module must stay on the CPU, and its weights where they are, once
it was read here: no `.to` or `.float`, no `load_state_dict(assign=True)`. Dropout is off.
"""

from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
from torch import nn

from recsys.columns import Bools, Floats32, Ints
from recsys.model.ranking_head import ListwiseHead, PointwiseHead, Standardise
from recsys.model.user_tower import AGE_KNOTS, AGE_STEP, BlockwiseUserTower, Recency, UserTower

LARGEST = 80.0  # beyond it exp leaves float32, and a sigmoid is 0 or 1 long before

# arrays by module, as long as the module lives: to ask torch for them each time takes longer than to use them
_KNOWN: WeakKeyDictionary[nn.Module, tuple[Floats32, ...]] = WeakKeyDictionary()


def pointwise(head: PointwiseHead, rows: Floats32) -> Floats32:
    """What the head gives for rows (n, width): scores (n,)."""
    return _perceptron(head.layers, _standardised(head.standardise, rows))


def listwise(head: ListwiseHead, rows: Floats32, lists: Floats32, lengths: Ints) -> tuple[Floats32, Floats32]:
    """What the head gives for rows (n, width) and lists (m, list_width) of these lengths: logits (n,) and (m,)."""
    temperature, shift = float(head.temperature), float(head.outside_shift)
    alone = _silu(_linear(_standardised(head.standardise, rows), *_arrays(head.alone)))
    means = np.add.reduceat(alone, np.cumsum(lengths) - lengths) / lengths[:, None].astype(np.float32)
    beside = np.concatenate([alone, np.repeat(means, lengths, axis=0)], axis=1)
    items = _perceptron(head.layers, beside) / temperature
    outside = _perceptron(head.outside, _standardised(head.standardise_list, lists)) / temperature
    return items, outside + shift


def user(tower: UserTower | BlockwiseUserTower, items: Floats32, ages: Floats32, mask: Bools) -> Floats32:
    """What the tower gives for histories: items (batch, h, dim), ages and mask (batch, h) -> (batch, dim)."""
    if isinstance(tower, UserTower):
        clean = np.where(mask[..., None], items, np.float32(0.0))
        (query,) = _arrays(tower.query)
        weights = recency(tower.recency, np.tanh(_linear(clean, *_arrays(tower.hidden))) @ query.T, ages, mask)
        heads = weights.swapaxes(1, 2) @ clean  # (batch, heads, dim)
        return _linear(heads.reshape(len(heads), heads.shape[1] * heads.shape[2]), *_arrays(tower.out))
    users = [
        user(cast(UserTower, inner), items[..., part], ages, mask & items[..., part].any(-1))
        for inner, part in zip(tower.towers, tower.parts, strict=True)
    ]
    return np.concatenate([*users, np.zeros((len(items), tower.left_over), np.float32)], axis=1)


def recency(module: Recency, interest: Floats32 | float, ages: Floats32, mask: Bools) -> Floats32:
    """What the module gives for ages and mask (batch, h): weights (batch, h, heads)."""
    by_position, by_age = _arrays(module)
    newer = np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] - 1
    counted = mask & (newer < module.history)
    logits = interest + by_position[np.clip(newer, 0, module.history - 1)] + _near(ages) @ by_age
    left_out = counted.any(axis=1, keepdims=True) & ~counted  # all of them, where none counts
    logits[left_out] = -np.inf
    weights = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    shares: Floats32 = weights / weights.sum(axis=1, keepdims=True) * counted[..., None]
    return shares


def _near(ages: Floats32) -> Floats32:
    """What each of the knots counts at ages (batch, h) in seconds: (batch, h, knots)."""
    place = np.log2(np.maximum(ages, 0) + 1, dtype=np.float32)[..., None] / np.float32(AGE_STEP)
    distance = np.abs(np.minimum(place, AGE_KNOTS - 1) - np.arange(AGE_KNOTS, dtype=np.float32))
    return np.asarray(np.maximum(1 - distance, 0), np.float32)


def _standardised(module: Standardise, rows: Floats32) -> Floats32:
    mean, scale = _arrays(module)
    out = rows - mean
    out /= scale
    return np.clip(out, -module.limit, module.limit, out=out)


def _perceptron(layers: nn.Sequential, rows: Floats32) -> Floats32:
    parts = _arrays(layers)  # weight and bias by turns
    for weight, bias in zip(parts[:-2:2], parts[1:-2:2], strict=True):
        rows = _silu(_linear(rows, weight, bias))
    return _linear(rows, *parts[-2:])[:, 0]


def _linear(rows: Floats32, weight: Floats32, bias: Floats32) -> Floats32:
    out: Floats32 = rows @ weight.T
    out += bias
    return out


def _silu(rows: Floats32) -> Floats32:
    below = np.exp(np.minimum(-rows, np.float32(LARGEST)))
    below += np.float32(1.0)
    return np.divide(rows, below, out=below)


def _arrays(module: nn.Module) -> tuple[Floats32, ...]:
    """A module's parameters and buffers, in its own order; looked up once."""
    known = _KNOWN.get(module)
    if known is None:
        known = tuple(values.detach().numpy() for values in (*module.parameters(), *module.buffers()))
        _KNOWN[module] = known
    return known
