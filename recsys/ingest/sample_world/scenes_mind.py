"""What a story's picture shows in the sample: one scene per topic of culture, science, technology and health."""

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from recsys.ingest.sample_world.shapes import (
    TINTS,
    Drawing,
    box,
    disc,
    ground,
    line,
    poly,
    ring,
    some_tints,
    star,
    tower,
    wave,
)

Rng = np.random.Generator


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
    return [ground(some_tints(rng, 1)[0], 5.6), poly("glow", (-2, 0), (5, 2.4), (-2, 5)), *board, *reel]


def _music(rng: Rng) -> Drawing:
    main, accent = some_tints(rng, 2)
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
    for tint in some_tints(rng, int(rng.integers(3, 5))):
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
    tints = some_tints(rng, 5)
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
    main, accent = some_tints(rng, 2)
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
    one, two = some_tints(rng, 2)
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
    main, accent = some_tints(rng, 2)
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
    main, accent = some_tints(rng, 2)
    apps = [
        box(TINTS[int(rng.integers(8))], 3.5 + 0.85 * c, 1.5 + 0.9 * r, 4.1 + 0.85 * c, 2.1 + 0.9 * r)
        for c in range(3)
        for r in range(4)
    ]
    phone = [box("dark", 3, 0.6, 6.4, 6.3), box("glow", 3.25, 1.1, 6.15, 5.7), *apps, disc("grey", 4.7, 6.0, 0.16)]
    phones = [ring(accent, 0.3, 7.5, 4.0, 1.0), box(accent, 6.4, 4.0, 6.9, 5.2), box(accent, 8.1, 4.0, 8.6, 5.2)]
    return [ground(main, 4.8), *phone, *phones]


def _security(rng: Rng) -> Drawing:
    main = some_tints(rng, 1)[0]
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
    main, accent, third = some_tints(rng, 3)
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
    main, y = some_tints(rng, 1)[0], rng.uniform(5.3, 5.8)
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


SCENES: dict[str, Callable[[Rng], Drawing]] = {
    "film": _film,
    "music": _music,
    "books": _books,
    "art": _art,
    "space": _space,
    "archaeology": _archaeology,
    "genetics": _genetics,
    "ai": _ai,
    "gadgets": _gadgets,
    "security": _security,
    "hospitals": _hospitals,
    "medicine": _medicine,
    "fitness": _fitness,
}
