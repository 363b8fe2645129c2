"""What a story's picture shows in the synthetic sample: one scene per topic of weather, travel, crime and homes."""

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from recsys.ingest.sample_world.shapes import (
    Drawing,
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
    star,
    wave,
)

Rng = np.random.Generator


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
        for x, t in zip((1.6, 4.2, 6.8), some_tints(rng, 3), strict=True)
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
    main, accent = some_tints(rng, 2)
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
    main = some_tints(rng, 1)[0]
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
    tilt, tint = rng.uniform(-0.6, 0.6), some_tints(rng, 1)[0]
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
    for x, tint in zip((2.4, 4.0, 5.6, 7.2), some_tints(rng, 4), strict=True):
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
        for x, t in zip((0.9, 3.0, 5.1, 7.2), some_tints(rng, 4), strict=True)
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
    return [ground(some_tints(rng, 1)[0], 5.6), disc(fur, 5, 7, 2.2, 2), *ears, *face, *eyes, *whiskers]


SCENES: dict[str, Callable[[Rng], Drawing]] = {
    "storms": _storms,
    "floods": _floods,
    "heat": _heat,
    "rail": _rail,
    "air": _air,
    "hiking": _hiking,
    "theft": _theft,
    "courts": _courts,
    "emergency": _emergency,
    "gardening": _gardening,
    "housing": _housing,
    "pets": _pets,
}
