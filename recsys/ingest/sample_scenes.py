"""What a story's picture shows: one scene per topic of the synthetic sample, each a little different every time."""

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from recsys.ingest.sample_shapes import (
    Drawing, arch, box, cloud, disc, fir, flag, ground, house, line, person, poly, ring, star, tower, wave,
)  # fmt: skip

Rng = np.random.Generator
TINTS = ("red", "orange", "yellow", "green", "teal", "blue", "violet", "pink")


def _tints(rng: Rng, count: int) -> list[str]:
    return [TINTS[i] for i in rng.permutation(len(TINTS))[:count]]


def _election(rng: Rng) -> Drawing:
    main, accent = _tints(rng, 2)
    slip = [
        poly("light", (4.1, 1.2), (5.9, 0.8), (6.1, 3.0), (4.3, 3.2)),
        line(accent, 0.22, (4.6, 1.9), (5, 2.4), (5.7, 1.3)),
    ]
    voters = [s for x in (1.0, 2.0, 8.0, 9.0) for s in person(_tints(rng, 1)[0], x, 6.2, rng.uniform(2.6, 3.4))]
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
        *flag(_tints(rng, 2), 5, 1.3, 1.2),
        *roof,
        box("brown", 2, 3.2, 8, 5.6),
        *columns,
        *steps,
    ]


def _diplomacy(rng: Rng) -> Drawing:
    banners = [s for x in (1.6, 3.4, 5.2, 7.0) for s in flag(_tints(rng, 3), x, 5.2, rng.uniform(3.9, 4.5))]
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
        for a, b in zip(edges, edges[1:], strict=False)
        for s in tower(_tints(rng, 1)[0], a, b - 0.15, rng.uniform(0.8, 3.6), 6.1, rng)
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
        y, tint = 6.6 + rng.uniform(-0.3, 0.4), _tints(rng, 2)
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
    main, shirt = _tints(rng, 2)
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
        poly(_tints(rng, 1)[0], (x - 0.5, y + 1), (x - 0.2, y - 0.4), (x + 0.7, y - 0.6), (x + 0.6, y + 1.2)),
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


def _film(rng: Rng) -> Drawing:
    stripes = [
        poly("light", (a, 2.7), (a + 0.7, 2.7), (a + 0.3, 1.9), (a - 0.4, 1.9)) for a in np.arange(2.6, 7.2, 1.4)
    ]
    board = [
        box("dark", 2, 2.9, 7.4, 6.3),
        box("dark", 2, 1.9, 7.4, 2.7),
        *stripes,
        line("light", 0.08, (2.4, 4), (7, 4)),
        line("light", 0.08, (2.4, 5.1), (7, 5.1)),
    ]
    x, y = rng.uniform(6.6, 7.6), rng.uniform(4.4, 5.2)
    reel = [
        disc("grey", x, y, 1.5),
        *(disc("dark", x + 0.85 * cos(a), y + 0.85 * sin(a), 0.36) for a in np.arange(5) * 2 * pi / 5),
        disc("dark", x, y, 0.2),
    ]
    return [ground(_tints(rng, 1)[0], 5.6), poly("glow", (-2, 0), (5, 2.4), (-2, 5)), *board, *reel]


def _music(rng: Rng) -> Drawing:
    main, accent = _tints(rng, 2)
    body = [
        disc(main, 4.6, 4.9, 1.5),
        disc(main, 5.2, 3.4, 1.1),
        disc("dark", 4.9, 4.1, 0.5),
        line("brown", 0.4, (5, 4), (6.8, 0.8)),
        box("dark", 6.5, 0.3, 7.3, 1.0),
        line("light", 0.05, (4.4, 5.3), (6.9, 0.8)),
    ]
    notes: Drawing = []
    for x in (2.0, 3.0, 7.6, 8.6):
        y = rng.uniform(1.6, 4.6)
        notes += [
            disc(accent, x, y, 0.34, 0.26),
            line(accent, 0.12, (x + 0.3, y), (x + 0.3, y - 1.3), (x + 0.75, y - 0.9)),
        ]
    return [ground("violet", 6), *notes, *body]


def _books(rng: Rng) -> Drawing:
    shapes: Drawing = [ground("brown", 6.0)]
    y = 6.0
    for tint in _tints(rng, int(rng.integers(3, 5))):
        left, high = rng.uniform(2.4, 3.2), rng.uniform(0.5, 0.75)
        shapes += [
            box(tint, left, y - high, left + 4.6, y),
            box("light", left + 4.2, y - high + 0.1, left + 4.6, y - 0.1),
            line("glow", 0.08, (left + 0.6, y - high), (left + 0.6, y)),
        ]
        y -= high
    pages = [
        poly("light", (5, y), (2.6, y - 0.5), (2.4, y - 1.9), (5, y - 1.3)),
        poly("light", (5, y), (7.4, y - 0.5), (7.6, y - 1.9), (5, y - 1.3)),
    ]
    text = [
        line("grey", 0.06, (5 + side * 0.4, y - 0.3 - d), (5 + side * 2.1, y - 0.7 - d))
        for side in (-1, 1)
        for d in (0.1, 0.4, 0.7)
    ]
    return [*shapes, *pages, *text]


def _art(rng: Rng) -> Drawing:
    tints = _tints(rng, 5)
    easel = [line("brown", 0.22, (3, 6.6), (5, 0.4), (7, 6.6)), line("brown", 0.22, (2.6, 5.2), (7.4, 5.2))]
    canvas = [box("yellow", 2.5, 1.0, 7.5, 5.0), box("light", 2.75, 1.25, 7.25, 4.75)]
    blots = [
        disc(t, rng.uniform(3.6, 6.4), rng.uniform(2, 4), rng.uniform(0.35, 0.8), rng.uniform(0.3, 0.7)) for t in tints
    ]
    return [
        ground("brown", 6.0),
        *easel,
        *canvas,
        *blots,
        line("dark", 0.12, (3.2, 4.2), (4.4, 2.4), (5.2, 3.8), (6.8, 1.9)),
    ]


def _space(rng: Rng) -> Drawing:
    main, accent = _tints(rng, 2)
    x, y, turn = rng.uniform(3.4, 4.6), rng.uniform(3.2, 4.2), rng.uniform(0.2, 0.5)
    planet = [
        disc(main, x, y, 1.7),
        disc(accent, x - 0.5, y - 0.5, 0.4, 0.3),
        disc(accent, x + 0.6, y + 0.5, 0.5, 0.3),
        line("light", 0.2, (x - 2.9, y + 2.9 * turn), (x + 2.9, y - 2.9 * turn)),
    ]
    rocket = [
        poly("light", (7.2, 4.6), (7.2, 2.4), (7.65, 1.4), (8.1, 2.4), (8.1, 4.6)),
        poly("red", (7.2, 4.6), (6.8, 5), (7.2, 3.6)),
        poly("red", (8.1, 4.6), (8.5, 5), (8.1, 3.6)),
        poly("glow", (7.3, 4.7), (7.65, 6), (8, 4.7)),
        disc("blue", 7.65, 2.7, 0.25),
    ]
    return [
        box("dark", -3, -3, 13, 11),
        *(star("glow", a * 1.4, b, 0.16) for a, b in rng.uniform(0.2, 6.8, (16, 2))),
        *planet,
        *rocket,
    ]


def _archaeology(rng: Rng) -> Drawing:
    layers = [wave(t, y, 0.12, 11, rng.uniform(0, 6)) for t, y in (("yellow", 3.4), ("orange", 4.6), ("brown", 5.8))]
    columns = [
        s
        for x, top in zip((2.2, 3.6, 7.6), rng.uniform(1.0, 2.4, 3), strict=True)
        for s in (box("light", x, top, x + 0.55, 3.5), box("light", x - 0.15, top - 0.2, x + 0.7, top))
    ]
    urn = [
        disc("red", 5.4, 4.8, 0.95, 1.15),
        box("red", 5.05, 3.2, 5.75, 4),
        line("red", 0.16, (4.95, 3.4), (4.4, 3.9), (4.6, 4.5)),
        line("red", 0.16, (5.85, 3.4), (6.4, 3.9), (6.2, 4.5)),
        line("dark", 0.14, (4.5, 4.7), (4.9, 4.4), (5.3, 4.7), (5.7, 4.4), (6.2, 4.7)),
    ]
    return [*layers, *columns, *urn, *(disc("grey", a, 6.2, 0.22) for a in rng.uniform(1, 9, 5))]


def _genetics(rng: Rng) -> Drawing:
    one, two = _tints(rng, 2)
    phase, ys = rng.uniform(0, 6), np.linspace(0.3, 6.7, 26)
    left = [(4.0 + 1.1 * sin(y * 1.5 + phase), float(y)) for y in ys]
    right = [(4.0 - 1.1 * sin(y * 1.5 + phase), float(y)) for y in ys]
    rungs = [line("grey", 0.12, a, b) for a, b in zip(left[::2], right[::2], strict=True)]
    flask = [
        poly("light", (6.7, 2.2), (7.5, 2.2), (7.5, 3.6), (8.6, 5.8), (5.6, 5.8), (6.7, 3.6)),
        poly(two, (6.3, 4.5), (7.9, 4.5), (8.5, 5.7), (5.7, 5.7)),
        *(disc("light", a, b, 0.13) for a, b in zip((6.6, 7.2, 7.6), rng.uniform(4.7, 5.5, 3), strict=True)),
    ]
    return [ground("teal", 6.2), *rungs, line(one, 0.3, *left), line(two, 0.3, *right), *flask]


def _ai(rng: Rng) -> Drawing:
    main, accent = _tints(rng, 2)
    head = [
        line("grey", 0.14, (5, 1.4), (5, 0.5)),
        disc("glow", 5, 0.5, 0.3),
        box(main, 3, 1.3, 7, 4.6),
        box("dark", 3.4, 1.8, 6.6, 3.3),
        disc("glow", 4.2, 2.5, 0.45),
        disc("glow", 5.8, 2.5, 0.45),
    ]
    mouth = [line("light", 0.16, (3.9, 4), *((4 + 0.4 * i, 4 + rng.uniform(-0.3, 0.3)) for i in range(1, 5)), (6.1, 4))]
    body = [
        box("grey", 4.5, 4.6, 5.5, 5),
        box(main, 2.4, 5, 7.6, 8),
        disc(accent, 5, 6, 0.6),
        box(accent, 2.6, 2.3, 3, 3.6),
        box(accent, 7, 2.3, 7.4, 3.6),
    ]
    return [
        *(
            line(accent, 0.08, (a, 0), (a, b), (a + 1, b))
            for a, b in zip((0.4, 1.2, 7.8, 8.6), rng.uniform(2, 6, 4), strict=True)
        ),
        *body,
        *head,
        *mouth,
    ]


def _gadgets(rng: Rng) -> Drawing:
    main, accent = _tints(rng, 2)
    apps = [
        box(TINTS[int(rng.integers(8))], 3.5 + 0.85 * c, 1.5 + 0.9 * r, 4.1 + 0.85 * c, 2.1 + 0.9 * r)
        for c in range(3)
        for r in range(4)
    ]
    phone = [box("dark", 3, 0.6, 6.4, 6.3), box("glow", 3.25, 1.1, 6.15, 5.7), *apps, disc("grey", 4.7, 6.0, 0.16)]
    phones = [ring(accent, 0.3, 7.5, 4.0, 1.0), box(accent, 6.4, 4.0, 6.9, 5.2), box(accent, 8.1, 4.0, 8.6, 5.2)]
    return [ground(main, 4.8), *phone, *phones]


def _security(rng: Rng) -> Drawing:
    main = _tints(rng, 1)[0]
    bits = [
        box("green" if rng.random() < 0.5 else "teal", x, y, x + (0.12 if rng.random() < 0.5 else 0.36), y + 0.42)
        for x in np.arange(0, 10, 0.75)
        for y in np.arange(0.2, 7, 0.85)
    ]
    lock = [
        ring("grey", 0.5, 5, 2.7, 1.25),
        box(main, 3.1, 2.9, 6.9, 6.1),
        disc("dark", 5, 4.2, 0.42),
        poly("dark", (4.8, 4.3), (5.2, 4.3), (5.4, 5.4), (4.6, 5.4)),
    ]
    return [box("dark", -3, -3, 13, 11), *bits, *lock]


def _hospitals(rng: Rng) -> Drawing:
    cross = [box("red", 4.65, 1.5, 5.35, 3.3), box("red", 4.1, 2.05, 5.9, 2.75)]
    wards = tower("light", 2, 8, 1.0, 5.7, rng)
    x = rng.uniform(1.6, 3.4)
    van = [
        box("light", x, 4.6, x + 3, 6.1),
        poly("light", (x + 3, 5.0), (x + 3.9, 5.4), (x + 3.9, 6.1), (x + 3, 6.1)),
        box("red", x, 5.3, x + 3, 5.5),
        box("blue", x + 0.9, 4.3, x + 1.4, 4.6),
        disc("dark", x + 0.8, 6.1, 0.38),
        disc("dark", x + 3, 6.1, 0.38),
    ]
    return [ground("grey", 5.7), *wards, box("light", 3.7, 1.2, 6.3, 3.6), *cross, *van]


def _medicine(rng: Rng) -> Drawing:
    main, accent, third = _tints(rng, 3)
    bottle = [
        box("orange", 2.4, 2.2, 4.8, 6),
        box("light", 2.2, 1.4, 5.0, 2.2),
        box("light", 2.4, 3.2, 4.8, 5),
        line(main, 0.16, (2.7, 3.8), (4.5, 3.8)),
        line(main, 0.16, (2.7, 4.3), (4.0, 4.3)),
    ]
    pills: Drawing = []
    for x, y in zip((6.0, 7.2, 6.6, 8.0), rng.uniform(2.2, 5.8, 4), strict=True):
        pills += [
            disc(accent, x, y, 0.45),
            box(accent, x, y - 0.45, x + 0.5, y + 0.45),
            box(third, x + 0.5, y - 0.45, x + 1, y + 0.45),
            disc(third, x + 1, y, 0.45),
        ]
    return [ground("teal", 5.4), *bottle, *pills]


def _fitness(rng: Rng) -> Drawing:
    main, y = _tints(rng, 1)[0], rng.uniform(5.3, 5.8)
    bell = [
        line("grey", 0.26, (2.6, y), (7.4, y)),
        *(box("dark", x, y - h, x + 0.5, y + h) for x, h in ((2.2, 0.7), (2.8, 1.0), (6.7, 1.0), (7.3, 0.7))),
    ]
    heart = [disc("red", 4.2, 1.9, 0.9), disc("red", 5.8, 1.9, 0.9), poly("red", (3.4, 2.35), (6.6, 2.35), (5, 4.4))]
    beat = [
        line(
            "light", 0.16, (3.3, 2.4), (4.3, 2.4), (4.7, 1.6 - rng.uniform(0, 0.4)), (5.2, 3.3), (5.6, 2.4), (6.7, 2.4)
        )
    ]
    return [ground(main, 6.1), *heart, *beat, *bell]


def _restaurants(rng: Rng) -> Drawing:
    cloth, food, side = _tints(rng, 3)
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
    icing, filling = _tints(rng, 2)
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
    wine, label = _tints(rng, 2)
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


def _storms(rng: Rng) -> Drawing:
    x = rng.uniform(4.4, 5.8)
    bolt = poly(
        "glow", (x, 2.3), (x - 1.0, 4.2), (x - 0.1, 4.1), (x - 0.7, 6.2), (x + 1.1, 3.5), (x + 0.2, 3.6), (x + 0.8, 2.3)
    )
    rain = [
        line("blue", 0.08, (a, b), (a - 0.5, b + 0.9))
        for a, b in zip(rng.uniform(1, 9.5, 18), rng.uniform(2.4, 5.4, 18), strict=True)
    ]
    tree = [line("brown", 0.24, (8, 6.4), (7.8, 5), (7.2, 4.2)), disc("green", 6.9, 4.0, 0.9, 0.5)]
    return [ground("green", 6.2), *rain, *tree, bolt, *cloud("dark", 3.4, 1.6, 1.6), *cloud("grey", 6.4, 1.5, 1.7)]


def _floods(rng: Rng) -> Drawing:
    homes = [
        s
        for x, t in zip((1.6, 4.2, 6.8), _tints(rng, 3), strict=True)
        for s in house(t, x, 5.4 + rng.uniform(-0.2, 0.3), 1.7, 1.7)
    ]
    waves = [wave(t, y, 0.22, 11, rng.uniform(0, 6)) for t, y in (("blue", 4.7), ("teal", 5.4), ("blue", 6.1))]
    rain = [
        line("blue", 0.07, (a, b), (a - 0.2, b + 0.7))
        for a, b in zip(rng.uniform(0.5, 9.5, 14), rng.uniform(0.2, 2.6, 14), strict=True)
    ]
    return [*rain, *homes, *waves]


def _heat(rng: Rng) -> Drawing:
    x, y = rng.uniform(3.8, 5.4), rng.uniform(2.2, 2.8)
    sun = [star("orange", x, y, 2.3, int(rng.integers(11, 16)), 0.72), disc("yellow", x, y, 1.45)]
    cracks = [
        line("brown", 0.1, (a, 5.3), (a + rng.uniform(-0.6, 0.6), 6.0), (a + rng.uniform(-1, 1), 7.2))
        for a in np.arange(0.5, 10, 1.1)
    ]
    gauge = [
        box("light", 7.5, 1.2, 8.0, 5.0),
        disc("red", 7.75, 5.2, 0.5),
        box("red", 7.65, rng.uniform(1.6, 2.6), 7.85, 5.0),
    ]
    return [*sun, ground("orange", 5.2), *cracks, *gauge]


def _rail(rng: Rng) -> Drawing:
    main, accent = _tints(rng, 2)
    cars = [
        box(main, -2, 2.6, 7.2, 5.2),
        poly(main, (7.2, 2.6), (8.4, 3.6), (8.8, 5.2), (7.2, 5.2)),
        box(accent, -2, 4.3, 8.7, 4.6),
        poly("blue", (7.2, 3.0), (8.0, 3.6), (8.1, 4.0), (7.2, 4.0)),
    ]
    panes = [box("glow", x, 3.1, x + 0.9, 4.0) for x in np.arange(-1.4 + rng.uniform(0, 0.5), 6.4, 1.25)]
    wheels = [disc("dark", x, 5.4, 0.4) for x in (0.6, 1.8, 4.2, 5.4, 7.4)]
    wires = [
        line("grey", 0.07, (-2, 1.2), (12, 1.2)),
        line("grey", 0.12, (3, 2.6), (3.5, 1.9), (3, 1.2)),
        line("grey", 0.16, (9.2, 6), (9.2, 0.6)),
    ]
    return [
        ground("brown", 5.7),
        *wires,
        *cars,
        *panes,
        *wheels,
        line("dark", 0.16, (-2, 5.8), (12, 5.8)),
        *(box("dark", x, 5.9, x + 0.4, 6.3) for x in np.arange(-2, 12, 0.9)),
    ]


def _air(rng: Rng) -> Drawing:
    main = _tints(rng, 1)[0]
    body = [
        poly("light", (1.6, 3.6), (2.2, 3.0), (7.6, 2.6), (8.6, 3.2), (7.8, 3.9), (2.4, 4.1)),
        poly(main, (1.8, 3.2), (1.3, 1.5), (2.1, 1.5), (3.2, 3.0)),
    ]
    wings = [
        poly(main, (4.6, 3.6), (3.2, 5.9), (4.0, 5.9), (6.2, 3.5)),
        poly("grey", (4.8, 2.9), (4.2, 1.5), (4.8, 1.5), (6, 2.8)),
    ]
    panes = [disc("blue", x, 3.25, 0.13) for x in np.arange(3.2, 7.6, 0.45)]
    sky = [
        s
        for x, y in zip((2.0, 7.8, 5.2), rng.uniform(4.9, 6.4, 3), strict=True)
        for s in cloud("light", x, y, rng.uniform(0.8, 1.3))
    ]
    return [box("blue", -3, -3, 13, 11), *sky, wings[1], *body, wings[0], *panes]


def _hiking(rng: Rng) -> Drawing:
    a, b = rng.uniform(2.4, 3.6), rng.uniform(6.2, 7.4)
    peaks = [
        poly("violet", (-2, 5), (a, 0.9), (7, 5)),
        poly("light", (a - 0.8, 1.75), (a, 0.9), (a + 0.8, 1.75), (a, 2.1)),
        poly("blue", (3.4, 5), (b, 1.6), (12, 5)),
    ]
    tent = [poly("orange", (4.0, 6.2), (5.4, 4.2), (6.8, 6.2)), poly("dark", (5, 6.2), (5.4, 4.9), (5.8, 6.2))]
    trail = line("yellow", 0.3, (9, 7), (7.6, 6.2), (8.2, 5.6), (7.0, 5.1))
    return [
        *peaks,
        ground("green", 4.8),
        trail,
        *fir(2, 6, 2.2),
        *fir(3.1, 6.4, 1.8),
        *fir(8.6, 5.9, rng.uniform(1.4, 2.2)),
        *tent,
    ]


def _theft(rng: Rng) -> Drawing:
    x = rng.uniform(1.6, 2.4)
    car = [
        poly(
            "light",
            (x, 5.4),
            (x + 0.3, 4.2),
            (x + 1.6, 4.0),
            (x + 2.4, 2.9),
            (x + 4.6, 2.9),
            (x + 5.3, 4.0),
            (x + 6, 4.3),
            (x + 6, 5.4),
        ),
        poly("dark", (x + 1.9, 4.0), (x + 2.6, 3.15), (x + 3.4, 3.15), (x + 3.4, 4.0)),
        poly("dark", (x + 3.7, 4), (x + 3.7, 3.15), (x + 4.5, 3.15), (x + 5.0, 4)),
        box("blue", x, 4.4, x + 6, 4.9),
    ]
    lamps = [
        box("red", x + 2.9, 2.5, x + 3.5, 2.9),
        box("blue", x + 3.5, 2.5, x + 4.1, 2.9),
        star("glow", x + 3.5, 2.1, 0.6, 8),
    ]
    tape = [
        poly("yellow", (-2, 5.9), (12, 6.3), (12, 6.7), (-2, 6.3)),
        *(poly("dark", (k, 6.0), (k + 0.4, 6.0), (k + 0.7, 6.4), (k + 0.3, 6.4)) for k in np.arange(0, 10, 1.3)),
    ]
    return [ground("grey", 5.3), *lamps, *car, disc("dark", x + 1.4, 5.4, 0.6), disc("dark", x + 4.7, 5.4, 0.6), *tape]


def _courts(rng: Rng) -> Drawing:
    tilt, tint = rng.uniform(-0.6, 0.6), _tints(rng, 1)[0]
    beam = [
        box("yellow", 4.8, 1.2, 5.2, 5.6),
        line("yellow", 0.22, (2.4, 1.7 + tilt), (7.6, 1.7 - tilt)),
        disc("yellow", 5, 1.2, 0.36),
        poly("yellow", (3.6, 6.2), (4.6, 5.4), (5.4, 5.4), (6.4, 6.2)),
    ]
    pans: Drawing = []
    for x, y in ((2.6, 1.7 + tilt), (7.4, 1.7 - tilt)):
        pans += [
            line("grey", 0.06, (x - 1, y + 2.2), (x, y), (x + 1, y + 2.2)),
            poly("yellow", (x - 1.2, y + 2.2), (x + 1.2, y + 2.2), (x + 0.6, y + 2.8), (x - 0.6, y + 2.8)),
        ]
    return [
        box(tint, -3, -3, 13, 11),
        *(box("brown", x, -3, x + 0.4, 11) for x in (0.2, 9.4)),
        ground("brown", 6.1),
        *beam,
        *pans,
    ]


def _emergency(rng: Rng) -> Drawing:
    flames: Drawing = []
    for tint, size in (("red", 1.0), ("orange", 0.7), ("glow", 0.4)):
        for x in (3.2, 4.6, 6.0, 7.0):
            peak = 3.4 - size * rng.uniform(1.4, 2.9)
            flames.append(
                poly(
                    tint,
                    (x - size, 3.6),
                    (x - 0.3 * size, peak + 1),
                    (x, peak),
                    (x + 0.4 * size, peak + 1.2),
                    (x + size, 3.6),
                )
            )
    home = [
        box("brown", 2.4, 3.4, 7.6, 6.2),
        *(box("glow", x, 4.0, x + 0.8, 4.9) for x in (2.9, 4.6, 6.3)),
        box("dark", 4.5, 5.1, 5.5, 6.2),
    ]
    return [
        *cloud("dark", 5, 0.8, 1.6),
        ground("grey", 6.0),
        *flames,
        *home,
        *person("yellow", 8.4, 6.6, 2.2),
        line("blue", 0.2, (8.4, 5.4), (6.6, 4.6)),
    ]


def _gardening(rng: Rng) -> Drawing:
    shapes: Drawing = [ground("brown", 5.6)]
    for x, tint in zip((2.4, 4.0, 5.6, 7.2), _tints(rng, 4), strict=True):
        y = rng.uniform(1.9, 3.4)
        shapes += [
            line("green", 0.18, (x, 5.9), (x, y)),
            disc("green", x + 0.45, 4.9, 0.5, 0.22),
            disc("green", x - 0.45, 4.4, 0.5, 0.22),
        ]
        shapes += [disc(tint, x + 0.55 * cos(a), y + 0.55 * sin(a), 0.38) for a in np.arange(6) * pi / 3] + [
            disc("yellow", x, y, 0.36)
        ]
    return shapes


def _housing(rng: Rng) -> Drawing:
    row = [
        s
        for x, t in zip((0.9, 3.0, 5.1, 7.2), _tints(rng, 4), strict=True)
        for s in house(t, x, 6, 1.85, rng.uniform(1.7, 3.2))
    ]
    return [*cloud("light", rng.uniform(2, 8), 1.0, 0.8), ground("green", 6.0), *row]


def _pets(rng: Rng) -> Drawing:
    fur = str(rng.choice(["orange", "brown", "grey", "dark", "yellow"]))
    cat = rng.random() < 0.5
    ears = (
        [poly(fur, (3.3, 3), (3.4, 0.9), (4.8, 2)), poly(fur, (6.7, 3), (6.6, 0.9), (5.2, 2))]
        if cat
        else [disc(fur, 2.9, 3.4, 0.6, 1.4), disc(fur, 7.1, 3.4, 0.6, 1.4)]
    )
    face = [
        disc(fur, 5, 3.5, 2.0, 1.9),
        disc("light", 5, 4.4, 1.0, 0.75),
        disc("pink" if cat else "dark", 5, 4.0, 0.3, 0.22),
        line("dark", 0.1, (4.4, 4.7), (5, 4.3), (5.6, 4.7)),
    ]
    eyes = [
        s
        for x in (4.2, 5.8)
        for s in (disc("glow", x, 3.1, 0.36), disc("dark", x, 3.1, 0.15 if cat else 0.24, 0.32 if cat else 0.24))
    ]
    whiskers = (
        [line("light", 0.06, (5 + side, 4.2), (5 + 2.6 * side, 3.9 + d)) for side in (-1, 1) for d in (0, 0.5)]
        if cat
        else []
    )
    return [ground(_tints(rng, 1)[0], 5.6), disc(fur, 5, 7, 2.2, 2), *ears, *face, *eyes, *whiskers]


SCENES: dict[str, Callable[[Rng], Drawing]] = {
    "election": _election, "parliament": _parliament, "diplomacy": _diplomacy, "defence": _defence,
    "markets": _markets, "companies": _companies, "energy": _energy, "labour": _labour,
    "football": _football, "cycling": _cycling, "tennis": _tennis, "winter": _winter,
    "film": _film, "music": _music, "books": _books, "art": _art,
    "space": _space, "archaeology": _archaeology, "genetics": _genetics,
    "ai": _ai, "gadgets": _gadgets, "security": _security,
    "hospitals": _hospitals, "medicine": _medicine, "fitness": _fitness,
    "restaurants": _restaurants, "baking": _baking, "drinks": _drinks,
    "storms": _storms, "floods": _floods, "heat": _heat,
    "rail": _rail, "air": _air, "hiking": _hiking,
    "theft": _theft, "courts": _courts, "emergency": _emergency,
    "gardening": _gardening, "housing": _housing, "pets": _pets,
}  # fmt: skip
