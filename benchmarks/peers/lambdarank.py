"""LightGBM's lambdarank on the inputs of the ranking head (Burges, From RankNet to LambdaRank to LambdaMART, 2010)."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from recsys.columns import Floats, Floats32, Ints
from recsys.pipeline.scorer import listwise_inputs
from recsys.training.lists import Lists

Inputs = Callable[[Floats32, Ints], Floats32]  # pointwise rows and offsets -> what the trees see

LEAVES = (15, 31)
MOST_TREES, LEAST_TREES = 200, 50  # the first trees' figures jump: no early stopping, and none of the first is chosen
PARAMETERS = {
    "objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "lambdarank_truncation_level": 100,
    "learning_rate": 0.1, "min_data_in_leaf": 100, "feature_fraction": 0.5, "max_bin": 63,
    "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What was best on the development split."""

    leaves: int
    trees: int
    temperature: float  # of the softmax over a list that predicts its click best
    quality: float = 0.0  # nDCG@10

    @property
    def title(self) -> str:
        """For the name of a row."""
        return f"{self.leaves} leaves, {self.trees} trees"


def shown_inputs(rows: Floats32, offsets: Ints) -> Floats32:
    """All that the listwise head sees: the pointwise inputs, the same relative to their list, and its length."""
    return listwise_inputs(rows, offsets)[0]


def pool_inputs(rows: Floats32, _offsets: Ints) -> Floats32:
    """All that the pointwise head sees."""
    return rows


def tuned(older: Lists, newer: Lists, inputs: Inputs) -> Plan:
    """The number of leaves and of trees with the best nDCG@10 on the newer lists, from a fit on the older."""
    train, test = _dataset(older, inputs), _dataset(newer, inputs)
    plans = [_plan(train, test, newer, inputs, leaves) for leaves in LEAVES]
    return max(plans, key=lambda plan: plan.quality)


def fit(lists: Lists, inputs: Inputs, plan: Plan, seed: int = 0) -> lightgbm.Booster:
    """Trees by a plan."""
    return lightgbm.train(_parameters(plan.leaves, seed), _dataset(lists, inputs), plan.trees)


def choice_probabilities(scores: Floats, offsets: Ints, temperature: float) -> Floats:
    """Softmax of each list's scores (rows,)."""
    lengths, scaled = np.diff(offsets), scores / temperature
    highest = np.maximum.reduceat(scaled, offsets[:-1])
    weights = np.exp(scaled - np.repeat(highest, lengths))
    return weights / np.repeat(np.add.reduceat(weights, offsets[:-1]), lengths)


def with_clicks(lists: Lists) -> Lists:
    """The lists in which something was clicked: from the others nothing can be learnt about order."""
    return lists.take(np.flatnonzero(np.add.reduceat(lists.labels, lists.offsets[:-1]) > 0))


def _plan(train: lightgbm.Dataset, test: lightgbm.Dataset, newer: Lists, inputs: Inputs, leaves: int) -> Plan:
    curve: dict[str, dict[str, list[float]]] = {}
    booster = lightgbm.train(
        _parameters(leaves, 0), train, MOST_TREES, valid_sets=[test], callbacks=[lightgbm.record_evaluation(curve)]
    )
    qualities = curve["valid_0"]["ndcg@10"]
    trees = max(range(min(LEAST_TREES, MOST_TREES), MOST_TREES + 1), key=lambda n: qualities[n - 1])
    scores = np.asarray(booster.predict(inputs(newer.rows, newer.offsets), num_iteration=trees))
    return Plan(leaves, trees, _temperature(scores, newer), qualities[trees - 1])


def _temperature(scores: Floats, lists: Lists) -> float:
    """The temperature under which the clicks of these lists are most likely."""
    clicked = np.flatnonzero(lists.labels)
    owner = np.searchsorted(lists.offsets, clicked, side="right") - 1

    def loss(log_temperature: float) -> float:
        scaled = scores * np.exp(-log_temperature)
        total = np.array([logsumexp(part) for part in np.split(scaled, lists.offsets[1:-1])])
        return float((total[owner] - scaled[clicked]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 0.01}).x))


def _dataset(lists: Lists, inputs: Inputs) -> lightgbm.Dataset:
    rows = inputs(lists.rows, lists.offsets)
    return lightgbm.Dataset(rows, lists.labels, group=np.diff(lists.offsets), params=PARAMETERS)


def _parameters(leaves: int, seed: int) -> dict[str, object]:
    return {**PARAMETERS, "num_leaves": leaves, "seed": seed, "num_threads": torch.get_num_threads()}
