"""Pictures that a newspaper puts beside any story: a face, a street, a view, a crowd, papers on a desk."""

from collections.abc import Callable

import numpy as np

from recsys.ingest.sample_world.shapes import (
    Drawing,
    arch,
    box,
    cloud,
    disc,
    fir,
    ground,
    house,
    line,
    person,
    poly,
    some_tints,
    tower,
    wave,
)

Rng = np.random.Generator


def _portrait(rng: Rng) -> Drawing:
    coat, wall, shirt = some_tints(rng, 3)
    hair = ("dark", "brown", "yellow", "grey", "orange")[int(rng.integers(5))]
    x, y = rng.uniform(4.4, 5.6), rng.uniform(2.7, 3.1)
    long = rng.uniform(0.2, 2.2)
    locks = [disc(hair, x, y - 0.5, 1.55, 1.5), box(hair, x - 1.5, y - 0.5, x + 1.5, y - 0.3 + long)]
    shoulders = [arch(coat, x, 7.4, 3.0, 2.7), poly(shirt, (x - 0.7, 4.8), (x + 0.7, 4.8), (x, 6.6))]
    face = [box("skin", x - 0.45, y + 0.8, x + 0.45, y + 2.2), disc("skin", x, y, 1.2, 1.45)]
    eyes = [disc("dark", x + side * 0.45, y - 0.1, 0.13) for side in (-1, 1)]
    smile = line("red", 0.12, (x - 0.45, y + 0.65), (x, y + 0.65 + rng.uniform(0, 0.25)), (x + 0.45, y + 0.65))
    fringe = arch(hair, x, y - 0.5, 1.3, 1.1)
    return [box(wall, 7.8, -3, 13, 11), *locks, *shoulders, *face, *eyes, smile, fringe]


def _microphones(rng: Rng) -> Drawing:
    desk, coat = some_tints(rng, 2)
    shapes: Drawing = [*person(coat, 5, 6.6, 5.2), box(desk, 2.0, 5.2, 8.0, 9)]
    for x, lean in zip(np.linspace(3.2, 6.8, int(rng.integers(3, 6))), rng.uniform(-0.5, 0.5, 5), strict=False):
        shapes += [line("dark", 0.12, (x, 5.3), (x + lean, 4.1)), disc("dark", x + lean, 3.9, 0.3, 0.36)]
        shapes.append(box(some_tints(rng, 1)[0], x + lean - 0.24, 4.1, x + lean + 0.24, 4.5))
    return shapes


def _street(rng: Rng) -> Drawing:
    left = [s for x in (-1.4, 0.9) for s in tower(some_tints(rng, 1)[0], x, x + 2.1, rng.uniform(0.4, 2.6), 5.4, rng)]
    right = [s for x in (6.8, 9.1) for s in tower(some_tints(rng, 1)[0], x, x + 2.1, rng.uniform(0.4, 2.6), 5.4, rng)]
    road = poly("grey", (4.4, 4.4), (5.6, 4.4), (9.5, 11), (0.5, 11))
    marks = [box("light", 4.95, y, 5.05 + 0.05 * y, y + 0.35) for y in (4.9, 5.6, 6.4)]
    walkers = [s for x in rng.uniform(3, 7, 3) for s in person(some_tints(rng, 1)[0], x, 6.0, 1.3)]
    return [ground("brown", 5.2), *left, *right, road, *marks, *walkers]


def _view(rng: Rng) -> Drawing:
    hills = [
        wave(tint, y, rng.uniform(0.2, 0.5), 11, rng.uniform(0, 6))
        for tint, y in (("teal", 3.2), ("green", 4.2), ("yellow", 5.4))
    ]
    trees = [s for x in rng.uniform(1, 9, 3) for s in fir(x, rng.uniform(4.6, 6.4), rng.uniform(1, 2))]
    farm = house("light", rng.uniform(2, 7), 5.2, 1.4, 1.0)
    return [*cloud("light", rng.uniform(2, 8), 1.3, 1.0), *hills, *farm, *trees]


def _crowd(rng: Rng) -> Drawing:
    rows = [(3.9, 1.9), (5.0, 2.3), (6.2, 2.8), (7.6, 3.4)]
    return [
        shape
        for y, tall in rows
        for x in np.arange(rng.uniform(-0.4, 0.3), 10.5, 0.5 * tall)
        for shape in person(some_tints(rng, 1)[0], x, y, tall)
    ]


def _papers(rng: Rng) -> Drawing:
    shapes: Drawing = [box("brown", -3, -3, 13, 11)]
    for x, y, lean in zip((2.2, 4.0, 5.4), rng.uniform(0.8, 2.0, 3), rng.uniform(-0.5, 0.5, 3), strict=True):
        shapes.append(poly("light", (x, y), (x + 2.6, y + lean), (x + 2.6 - lean, y + 3.6 + lean), (x - lean, y + 3.6)))
        for k in range(6):
            top = y + 0.5 + 0.5 * k
            shapes.append(line("grey", 0.08, (x + 0.3, top), (x + rng.uniform(1.4, 2.3), top + 0.8 * lean)))
    cup = [disc("light", 8.2, 1.6, 0.9), disc(some_tints(rng, 1)[0], 8.2, 1.6, 0.65)]
    return [*shapes, *cup, line(some_tints(rng, 1)[0], 0.24, (3.0, 6.4), (6.6, 5.2))]


SCENES: tuple[Callable[[Rng], Drawing], ...] = (_portrait, _microphones, _street, _view, _crowd, _papers)
