"""Shapes of the synthetic sample's drawings, on a canvas of 10 by 7 units with the origin at the top left."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

TINTS = ("red", "orange", "yellow", "green", "teal", "blue", "violet", "pink")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """One polygon (``width`` 0) or polyline (``width`` in units); a style decides what its tint looks like."""

    points: tuple[Point, ...]
    tint: str
    width: float = 0.0


Drawing = list[Shape]


def some_tints(rng: np.random.Generator, count: int) -> list[str]:
    """``count`` different colours at random."""
    return [TINTS[i] for i in rng.permutation(len(TINTS))[:count]]


def poly(tint: str, *points: Point) -> Shape:
    """A filled polygon."""
    return Shape(points, tint)


def line(tint: str, width: float, *points: Point) -> Shape:
    """An open polyline."""
    return Shape(points, tint, width)


def box(tint: str, left: float, top: float, right: float, bottom: float) -> Shape:
    """A filled rectangle."""
    return Shape(((left, top), (right, top), (right, bottom), (left, bottom)), tint)


def disc(tint: str, x: float, y: float, radius: float, height: float | None = None) -> Shape:
    """A filled ellipse with half-axes ``radius`` and ``height`` (a circle without)."""
    return Shape(_arc(x, y, radius, height or radius, 0, 2 * pi, 28)[:-1], tint)


def ring(tint: str, width: float, x: float, y: float, radius: float) -> Shape:
    """A circle's outline."""
    return Shape(_arc(x, y, radius, radius, 0, 2 * pi, 28), tint, width)


def wave(tint: str, y: float, height: float, bottom: float, phase: float) -> Shape:
    """A filled band across the canvas whose upper edge is a sine wave."""
    top = [(x / 2 - 2, y + height * sin(x * 0.9 + phase)) for x in range(29)]
    return Shape((*top, (12.0, bottom), (-2.0, bottom)), tint)


def _arc(x: float, y: float, rx: float, ry: float, begin: float, end: float, steps: int) -> tuple[Point, ...]:
    angles = [begin + (end - begin) * step / steps for step in range(steps + 1)]
    return tuple((x + rx * cos(angle), y + ry * sin(angle)) for angle in angles)


def ground(tint: str, y: float) -> Shape:
    """Everything below ``y``, well past the canvas so that a zoom shows no edge."""
    return box(tint, -3, y, 13, 11)


def arch(tint: str, x: float, y: float, rx: float, ry: float) -> Shape:
    """The upper half of an ellipse standing on ``y``."""
    return Shape(_arc(x, y, rx, ry, pi, 2 * pi, 16), tint)


def star(tint: str, x: float, y: float, radius: float, points: int = 5, inner: float = 0.45) -> Shape:
    """A star with its first point upwards."""
    radii = [radius if step % 2 == 0 else radius * inner for step in range(2 * points)]
    turn = [pi * step / points - pi / 2 for step in range(2 * points)]
    return Shape(tuple((x + r * cos(a), y + r * sin(a)) for r, a in zip(radii, turn, strict=True)), tint)


def cloud(tint: str, x: float, y: float, size: float) -> Drawing:
    """Four puffs."""
    puffs = ((-0.9, 0.1, 0.5), (-0.2, -0.25, 0.7), (0.6, 0.0, 0.55), (0.0, 0.2, 0.6))
    return [disc(tint, x + dx * size, y + dy * size, r * size, 0.8 * r * size) for dx, dy, r in puffs]


def person(tint: str, x: float, y: float, height: float) -> Drawing:
    """Head and shoulders of someone whose feet stand on ``y``."""
    head = 0.16 * height
    chin = y - 0.62 * height
    body = poly(
        tint, (x - 0.2 * height, y), (x - 0.17 * height, chin), (x + 0.17 * height, chin), (x + 0.2 * height, y)
    )
    return [body, disc("skin", x, chin - head, head)]


def fir(x: float, y: float, height: float) -> Drawing:
    """A fir tree that stands on ``y``."""
    tiers = [
        poly("green", (x - w * height, y - b * height), (x, y - t * height), (x + w * height, y - b * height))
        for w, b, t in ((0.32, 0.12, 0.6), (0.25, 0.4, 0.82), (0.17, 0.65, 1.0))
    ]
    return [box("brown", x - 0.05 * height, y - 0.14 * height, x + 0.05 * height, y), *tiers]


def flag(tints: Iterable[str], x: float, y: float, height: float) -> Drawing:
    """A flag of vertical stripes on a pole that stands on ``y``."""
    stripes = list(tints)
    wide = 0.5 * height / len(stripes)
    top = y - height
    cloth = [box(tint, x + i * wide, top, x + (i + 1) * wide, top + 0.32 * height) for i, tint in enumerate(stripes)]
    return [line("grey", 0.1, (x, y), (x, top - 0.1)), *cloth]


def house(tint: str, x: float, y: float, wide: float, tall: float) -> Drawing:
    """A house with a gable, a door and two lit windows that stands on ``y`` with its left wall at ``x``."""
    top = y - tall
    walls = box(tint, x, top, x + wide, y)
    roof = poly("red", (x - 0.12 * wide, top), (x + 0.5 * wide, top - 0.6 * wide), (x + 1.12 * wide, top))
    door = box("brown", x + 0.4 * wide, y - 0.4 * tall, x + 0.6 * wide, y)
    panes = [box("glow", x + a * wide, top + 0.2 * tall, x + (a + 0.2) * wide, top + 0.42 * tall) for a in (0.12, 0.68)]
    return [walls, roof, door, *panes]


def tower(tint: str, left: float, right: float, top: float, bottom: float, rng: np.random.Generator) -> Drawing:
    """An office block; about two windows in three are lit."""
    columns, rows = max(2, round((right - left) / 0.38)), max(3, round((bottom - top) / 0.5))
    dx, dy = (right - left) / columns, (bottom - top) / rows
    panes = [
        box("glow" if rng.random() < 0.65 else "dark", left + (c + 0.25) * dx, top + (r + 0.25) * dy,
            left + (c + 0.75) * dx, top + (r + 0.72) * dy)
        for c in range(columns) for r in range(rows)
    ]  # fmt: skip
    return [box(tint, left, top, right, bottom), *panes]
