"""What a story's picture shows in the synthetic sample: one scene per topic of politics, business, sport and food."""

from collections.abc import Callable
from itertools import pairwise
from math import cos, pi, sin

import numpy as np

from recsys.ingest.sample_world.shapes import (
    Drawing,
    arch,
    box,
    cloud,
    disc,
    fir,
    flag,
    ground,
    line,
    person,
    poly,
    ring,
    some_tints,
    star,
    tower,
)

Rng = np.random.Generator


def _election(rng: Rng) -> Drawing:
    main, accent = some_tints(rng, 2)
    slip = [
        poly("light", (4.1, 1.2), (5.9, 0.8), (6.1, 3.0), (4.3, 3.2)),
        line(accent, 0.22, (4.6, 1.9), (5, 2.4), (5.7, 1.3)),
    ]
    voters = [s for x in (1.0, 2.0, 8.0, 9.0) for s in person(some_tints(rng, 1)[0], x, 6.2, rng.uniform(2.6, 3.4))]
    return [
        ground("grey", 6),
        *voters,
        *slip,
        box(main, 3, 3.1, 7, 6.2),
        box("dark", 3.8, 3.0, 6.2, 3.3),
        star("light", 5, 4.7, 0.8),
    ]


def _parliament(rng: Rng) -> Drawing:
    columns = [box("light", x, 3.2, x + 0.42, 5.6) for x in np.linspace(2.2, 7.4, int(rng.integers(5, 8)))]
    roof = [arch("teal", 5, 2.4, 1.5, 1.4), poly("light", (1.5, 3.2), (5, 1.7), (8.5, 3.2))]
    steps = [box("grey", 1.6, 5.6, 8.4, 5.9), box("light", 1.2, 5.9, 8.8, 6.2)]
    return [
        ground("green", 6),
        *flag(some_tints(rng, 2), 5, 1.3, 1.2),
        *roof,
        box("brown", 2, 3.2, 8, 5.6),
        *columns,
        *steps,
    ]


def _diplomacy(rng: Rng) -> Drawing:
    banners = [s for x in (1.6, 3.4, 5.2, 7.0) for s in flag(some_tints(rng, 3), x, 5.2, rng.uniform(3.9, 4.5))]
    envoys = [s for x in (2.6, 4.2, 5.8, 7.4) for s in person("dark" if rng.random() < 0.6 else "blue", x, 5.6, 2.4)]
    return [ground("red", 5.4), *banners, *envoys, poly("brown", (1, 4.9), (9, 4.9), (9.6, 5.8), (0.4, 5.8))]


def _defence(rng: Rng) -> Drawing:
    hull = poly("green", (1.6, 4.4), (8.4, 4.4), (8.9, 5.1), (8.2, 5.7), (1.8, 5.7), (1.1, 5.1))
    turret = [
        poly("green", (3.4, 4.4), (3.8, 3.2), (6.0, 3.2), (6.5, 4.4)),
        line("green", 0.34, (6, 3.7), (9.4, 3.7 - rng.uniform(0, 1.2))),
    ]
    wheels = [disc("dark", x, 5.6, 0.52) for x in np.linspace(2.1, 7.9, 6)]
    smoke = cloud("grey", rng.uniform(1, 3), 1.8, 1.1)
    return [ground("brown", 5.8), *smoke, *turret, hull, *wheels, star("light", 4.9, 3.8, 0.4)]


def _markets(rng: Rng) -> Drawing:
    down = rng.random() < 0.5
    heights = np.sort(rng.uniform(0.8, 4.2, 6))[:: -1 if down else 1]
    bars = [
        box("red" if down else "green", x, 6 - h, x + 0.8, 6)
        for x, h in zip(np.arange(1.6, 8, 1.12), heights, strict=False)
    ]
    ticks = [(1.4 + 1.2 * i, 5.4 - h + rng.uniform(-0.5, 0.3)) for i, h in enumerate(heights)]
    grid = [line("grey", 0.05, (1.2, y), (8.8, y)) for y in (1.5, 3, 4.5)]
    return [*grid, *bars, line("dark", 0.2, *ticks), line("dark", 0.14, (1.2, 0.8), (1.2, 6), (9, 6))]


def _companies(rng: Rng) -> Drawing:
    edges = np.linspace(1.2, 8.6, 6)
    blocks = [
        s
        for a, b in pairwise(edges)
        for s in tower(some_tints(rng, 1)[0], a, b - 0.15, rng.uniform(0.8, 3.6), 6.1, rng)
    ]
    return [ground("grey", 6.0), *blocks]


def _energy(rng: Rng) -> Drawing:
    shapes: Drawing = [ground("green", 5.2)]
    for x, y in ((3.2, 2.6), (6.4, 2.0), (8.8, 3.2)):
        turn = rng.uniform(0, 2 * pi)
        shapes.append(poly("light", (x - 0.09, y), (x + 0.09, y), (x + 0.17, 5.6), (x - 0.17, 5.6)))
        for blade in range(3):
            a = turn + blade * 2 * pi / 3
            tip = (x + 1.8 * cos(a), y + 1.8 * sin(a))
            shapes.append(
                poly("light", (x + 0.2 * sin(a), y - 0.2 * cos(a)), tip, (x - 0.1 * sin(a), y + 0.1 * cos(a)))
            )
        shapes.append(disc("grey", x, y, 0.2))
    panels = [poly("blue", (x, 6.6), (x + 0.5, 5.7), (x + 1.7, 5.7), (x + 1.4, 6.6)) for x in (1.4, 3.2, 5.0, 6.8)]
    return shapes + panels


def _labour(rng: Rng) -> Drawing:
    shapes: Drawing = [ground("grey", 6.2)]
    for x in np.linspace(1.4, 8.6, 6):
        y, tint = 6.6 + rng.uniform(-0.3, 0.4), some_tints(rng, 2)
        shapes += person(tint[0], x, y, 3.3)
        if rng.random() < 0.75:
            shapes += [
                line("brown", 0.12, (x + 0.5, y - 1.4), (x + 0.5, 2.4)),
                box(tint[1], x - 0.3, 1.2, x + 1.3, 2.5),
            ]
            shapes.append(line("light", 0.12, (x - 0.1, 1.8), (x + 1.1, 1.8)))
    return shapes


def _football(rng: Rng) -> Drawing:
    x, y = rng.uniform(3.6, 6.4), rng.uniform(3.8, 4.8)
    patches = [
        star("dark", x + 0.95 * cos(a), y + 0.95 * sin(a), 0.36, 5, 0.8)
        for a in np.arange(5) * 2 * pi / 5 + rng.uniform(0, 6)
    ]
    stripes = [
        poly("teal", (a, 11), (a + 1.3, 11), (5 + (a - 4) * 0.4, 2.6), (5 + (a - 5.2) * 0.4, 2.6))
        for a in (-2, 1, 4, 7, 10)
    ]
    goal = [
        line("light", 0.16, (2.6, 2.7), (2.6, 0.8), (7.4, 0.8), (7.4, 2.7)),
        *(line("light", 0.04, (g, 0.8), (g, 2.6)) for g in np.arange(3, 7.4, 0.5)),
    ]
    return [ground("green", 2.6), *stripes, *goal, disc("light", x, y, 1.4), star("dark", x, y, 0.5, 5, 0.8), *patches]


def _cycling(rng: Rng) -> Drawing:
    main, shirt = some_tints(rng, 2)
    wheels = [ring("dark", 0.16, x, 5, 1.25) for x in (3.1, 6.9)]
    frame = [
        line(main, 0.2, (3.1, 5), (4.2, 3.4), (6.2, 3.4), (4.9, 5), (4.2, 3.4)),
        line(main, 0.2, (3.1, 5), (4.9, 5)),
        line(main, 0.2, (6.0, 3.0), (6.9, 5)),
    ]
    rider = [
        poly(shirt, (3.7, 2.9), (5.6, 1.5), (6.0, 2.1), (4.5, 3.3)),
        line("skin", 0.26, (5.7, 1.9), (6.3, 2.9)),
        line("dark", 0.4, (4.1, 3.1), (5.2, 3.7), (4.8, 5)),
        disc("skin", 6.1, 1.2, 0.42),
        arch("red", 6.1, 1.1, 0.5, 0.45),
    ]
    hills = [
        poly("green", (-3, 6.2), (rng.uniform(0, 3), 2.4), (5, 6.2)),
        poly("teal", (4, 6.2), (rng.uniform(7, 9), 2.8), (13, 6.2)),
    ]
    return [*hills, ground("grey", 6.1), *wheels, *frame, *rider]


def _tennis(rng: Rng) -> Drawing:
    court = rng.choice(["orange", "green", "blue"])
    strings = [line("light", 0.06, (x, 1.0), (x, 4.0)) for x in np.arange(3.6, 5.2, 0.32)] + [
        line("light", 0.06, (3.2, y), (5.6, y)) for y in np.arange(1.2, 4, 0.36)
    ]
    racket = [
        disc("dark", 4.4, 2.5, 1.35, 1.75),
        disc(str(court), 4.4, 2.5, 1.12, 1.5),
        *strings,
        poly("dark", (4.2, 4.2), (4.6, 4.2), (4.75, 6.4), (4.05, 6.4)),
    ]
    lines = [line("light", 0.16, (-2, 5.4), (12, 5.4)), line("light", 0.16, (8.4, 5.4), (9.6, 9))]
    return [
        ground(str(court), 3.4),
        *lines,
        *racket,
        disc("yellow", rng.uniform(6.2, 7.4), rng.uniform(1.4, 4.4), 0.62),
    ]


def _winter(rng: Rng) -> Drawing:
    x, y = rng.uniform(4.4, 6), rng.uniform(3.1, 3.7)
    slope = poly("light", (-3, 2.2), (13, 7.0), (13, 11), (-3, 11))
    skier = [
        line("red", 0.14, (x - 1.3, y + 0.9), (x + 1.6, y + 1.75)),
        poly(some_tints(rng, 1)[0], (x - 0.5, y + 1), (x - 0.2, y - 0.4), (x + 0.7, y - 0.6), (x + 0.6, y + 1.2)),
        disc("skin", x + 0.4, y - 1, 0.4),
        line("dark", 0.1, (x + 0.3, y), (x + 1.4, y + 0.4), (x + 0.6, y + 1.9)),
    ]
    peaks = [poly("blue", (4, 5), (7.4, 0.7), (12, 6)), poly("light", (6.5, 1.8), (7.4, 0.7), (8.4, 1.9), (7.4, 2.3))]
    return [
        *peaks,
        slope,
        *fir(1.9, 4.4, 2.4),
        *fir(8.4, 6.2, 1.9),
        *skier,
        *(disc("light", a, b, 0.1) for a, b in rng.uniform(0, 7, (14, 2))),
    ]


def _restaurants(rng: Rng) -> Drawing:
    cloth, food, side = some_tints(rng, 3)
    checks = [
        box("light", x, y, x + 0.9, y + 0.9)
        for i, x in enumerate(np.arange(-2, 12, 0.9))
        for j, y in enumerate(np.arange(-2, 9, 0.9))
        if (i + j) % 2
    ]
    plate = [
        disc("light", 5, 3.5, 2.3),
        disc("grey", 5, 3.5, 1.75),
        disc("light", 5, 3.5, 1.65),
        disc(food, 4.6, 3.3, 0.8, 0.6),
        *(disc(side, 5 + a, 3.6 + b, 0.3) for a, b in rng.uniform(-0.8, 0.9, (5, 2))),
    ]
    fork = [
        line("grey", 0.2, (2.2, 6), (2.2, 3)),
        *(line("grey", 0.09, (2.2 + d, 3), (2.2 + d, 1.4)) for d in (-0.25, 0, 0.25)),
    ]
    return [
        box(cloth, -3, -3, 13, 11),
        *checks,
        *plate,
        *fork,
        line("grey", 0.22, (7.8, 6), (7.8, 3.6)),
        poly("grey", (7.6, 3.7), (7.7, 1.2), (8.2, 2.4), (8.0, 3.7)),
    ]


def _baking(rng: Rng) -> Drawing:
    icing, filling = some_tints(rng, 2)
    layers = [box(t, 2.8, y, 7.2, y + 0.75) for t, y in (("brown", 4.9), (filling, 4.3), ("orange", 3.6), (icing, 2.9))]
    drips = [disc(icing, x, 3.65, 0.3, rng.uniform(0.3, 0.7)) for x in np.arange(3.1, 7.2, 0.55)]
    berries = [disc("red", x, 2.7, 0.3) for x in np.arange(3.3, 7.1, rng.uniform(0.6, 0.95))]
    return [
        ground("brown", 6.1),
        disc("light", 5, 5.8, 3.2, 0.45),
        *layers,
        *drips,
        *berries,
        box("light", 4.9, 1.6, 5.1, 2.6),
        poly("glow", (4.8, 1.6), (5, 0.9), (5.2, 1.6)),
    ]


def _drinks(rng: Rng) -> Drawing:
    wine, label = some_tints(rng, 2)
    bottle = [
        box("green", 2.6, 2.6, 4.0, 6.2),
        poly("green", (2.6, 2.6), (3.05, 1.8), (3.55, 1.8), (4.0, 2.6)),
        box("green", 3.05, 0.5, 3.55, 1.9),
        box("light", 2.6, 3.6, 4.0, 5.2),
        star(label, 3.3, 4.4, 0.4),
    ]
    level = rng.uniform(2.3, 3.0)
    glass = [
        poly("light", (5.2, 1.6), (7.8, 1.6), (7.3, 3.6), (6.5, 4.2), (5.7, 3.6)),
        poly(wine, (5.4, level), (7.6, level), (7.2, 3.5), (6.5, 4.05), (5.8, 3.5)),
        line("light", 0.14, (6.5, 4.1), (6.5, 5.9)),
        disc("light", 6.5, 6.0, 0.9, 0.16),
    ]
    return [ground("brown", 5.8), *bottle, *glass]


SCENES: dict[str, Callable[[Rng], Drawing]] = {
    "election": _election,
    "parliament": _parliament,
    "diplomacy": _diplomacy,
    "defence": _defence,
    "markets": _markets,
    "companies": _companies,
    "energy": _energy,
    "labour": _labour,
    "football": _football,
    "cycling": _cycling,
    "tennis": _tennis,
    "winter": _winter,
    "restaurants": _restaurants,
    "baking": _baking,
    "drinks": _drinks,
}
