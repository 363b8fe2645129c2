"""Pictures of the synthetic sample: what is drawn follows the story's topic, how it is drawn follows a visual style."""

from math import cos, radians, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from recsys.columns import Floats
from recsys.ingest.sample_world import scenes_any, scenes_daily, scenes_mind, scenes_public
from recsys.ingest.sample_world.shapes import Drawing, Point, Shape

SCENES = {**scenes_public.SCENES, **scenes_mind.SCENES, **scenes_daily.SCENES}
TOPICAL = 0.55  # share of pictures that show the topic; the rest are what newspapers put beside any story
STYLES = ("sunlit", "night", "ink", "pastel")
SIZE = (160, 112)  # pixels
_SCALE = 32  # pixels per unit of a scene, at twice the final size: drawing large and shrinking smooths the edges
_LARGE = (320, 224)

Colour = tuple[int, int, int]
_TINTS: dict[str, Colour] = {
    "red": (204, 52, 48), "orange": (233, 130, 42), "yellow": (240, 205, 70), "green": (74, 150, 70),
    "teal": (40, 150, 150), "blue": (52, 104, 190), "violet": (124, 78, 170), "pink": (228, 110, 150),
    "brown": (134, 88, 54), "grey": (140, 144, 150), "dark": (46, 46, 56), "light": (242, 240, 232),
    "skin": (224, 172, 134), "glow": (255, 226, 120),
}  # fmt: skip
_INK_BLACK, _INK_HATCHED = 75, 150  # luminances below which ink fills a shape in, or hatches it


def draw(topic: str, style: str, rng: np.random.Generator) -> Image.Image:
    """The picture of a story on ``topic`` in one of ``STYLES``: RGB, 160 by 112 pixels."""
    anything = scenes_any.SCENES[int(rng.integers(len(scenes_any.SCENES)))]
    scene = SCENES[topic] if rng.random() < TOPICAL else anything
    shapes = _place(scene(rng), rng)
    large = {"sunlit": _sunlit, "night": _night, "ink": _ink, "pastel": _pastel}[style](shapes, rng)
    return large.resize(SIZE, Image.Resampling.LANCZOS)


def _place(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """The scene in pixels: zoomed, turned, shifted and perhaps mirrored, so that no two pictures coincide."""
    zoom, turn, mirror = rng.uniform(0.88, 1.12), radians(rng.uniform(-4, 4)), rng.choice([-1, 1])
    left, down = rng.uniform(-0.4, 0.4), rng.uniform(-0.2, 0.2)

    def move(point: Point) -> Point:
        x, y = zoom * mirror * (point[0] - 5), zoom * (point[1] - 3.5)
        turned = (x * cos(turn) - y * sin(turn) + 5 + left, x * sin(turn) + y * cos(turn) + 3.5 + down)
        return _SCALE * turned[0], _SCALE * turned[1]

    return [Shape(tuple(move(p) for p in s.points), s.tint, s.width * zoom * _SCALE) for s in drawing]


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _fill(image: Image.Image, shape: Shape, colour: Colour | int) -> None:
    pen = ImageDraw.Draw(image)
    if shape.width:
        pen.line(shape.points, fill=colour, width=max(1, round(shape.width)), joint="curve")
    else:
        pen.polygon(shape.points, fill=colour)


def _gradient(top: Colour, bottom: Colour) -> Floats:
    """(224, 320, 3), from one colour at the top to another at the bottom."""
    share = np.linspace(0, 1, _LARGE[1])[:, None, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    return np.repeat(rows, _LARGE[0], axis=1)


def _glare(x: float, y: float, radius: float) -> Floats:
    """(224, 320, 1): 1 at a point of the canvas, falling off with the distance from it in pixels."""
    rows, columns = np.mgrid[0 : _LARGE[1], 0 : _LARGE[0]]
    distance: Floats = (columns - x) ** 2 + (rows - y) ** 2
    return np.exp(-distance / (2 * radius**2))[..., None]


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def _sunlit(shapes: Drawing, rng: np.random.Generator) -> Image.Image:
    """Warm and soft, like a photograph at the end of a summer day: haze, shadows, a low sun, a little grain."""
    sky = _gradient((246, 190, 118), (255, 238, 204))
    canvas, mask = _image(sky), Image.new("L", _LARGE, 0)
    for shape in shapes:
        _fill(mask, shape, 255)
    shadow = np.asarray(mask.filter(ImageFilter.GaussianBlur(7)), dtype=np.float64)[..., None] / 255
    canvas = _image(sky * (1 - 0.35 * np.roll(shadow, (8, 8), (0, 1))))
    for shape in shapes:
        _fill(canvas, shape, _mix(_TINTS[shape.tint], (255, 190, 110), 0.22))
    soft = np.asarray(canvas.filter(ImageFilter.GaussianBlur(1.3)), dtype=np.float64)
    sun = _glare(rng.uniform(30, 290), rng.uniform(0, 50), 95)
    lit = soft * (0.76 + 0.22 * _glare(160, 110, 140)) + sun * np.array([84, 58, 20])
    return _image(lit + rng.normal(0, 7, (*_LARGE[::-1], 1)))


def _night(shapes: Drawing, rng: np.random.Generator) -> Image.Image:
    """Dark and blue, with lamps and windows that shine."""
    canvas, lamps = _image(_gradient((6, 8, 26), (30, 26, 66))), Image.new("RGB", _LARGE)
    spots = ImageDraw.Draw(canvas)
    for x, y in rng.uniform((0, 0), (320, 110), (40, 2)):
        spots.ellipse((x, y, x + 2, y + 2), fill=(190, 200, 240))
    for shape in shapes:
        bright = shape.tint == "glow"
        _fill(canvas, shape, (255, 214, 110) if bright else _mix(_TINTS[shape.tint], (8, 12, 44), 0.55))
        _fill(lamps, shape, (255, 170, 60) if bright else (0, 0, 0))
    for x, y in rng.uniform((20, 20), (300, 200), (5, 2)):  # street lamps out of focus
        ImageDraw.Draw(lamps).ellipse((x - 7, y - 7, x + 7, y + 7), fill=(235, 150, 70))
    bloom = np.asarray(lamps.filter(ImageFilter.GaussianBlur(11)), dtype=np.float64)
    moon = _glare(rng.uniform(40, 280), 20, 50) * np.array([30, 42, 80])
    return _image(np.asarray(canvas, dtype=np.float64) + 1.1 * bloom + moon)


def _ink(shapes: Drawing, rng: np.random.Generator) -> Image.Image:
    """A pen drawing: black lines on white, hatched where the colour would be darker."""
    canvas, hatching = Image.new("L", _LARGE, 255), Image.new("L", _LARGE, 255)
    pen = ImageDraw.Draw(hatching)
    for start in range(-_LARGE[1], _LARGE[0], 9):
        pen.line((start, _LARGE[1], start + _LARGE[1], 0), fill=0, width=2)
    for shape in shapes:
        red, green, blue = _TINTS[shape.tint]
        luminance = 0.299 * red + 0.587 * green + 0.114 * blue
        _ink_shape(canvas, hatching, shape, luminance, rng)
    return canvas.convert("RGB")


def _ink_shape(
    canvas: Image.Image, hatching: Image.Image, shape: Shape, luminance: float, rng: np.random.Generator
) -> None:
    if shape.width:
        _fill(canvas, shape, 0)
        return
    if luminance < _INK_BLACK:
        _fill(canvas, shape, 0)
    elif luminance < _INK_HATCHED:
        mask = Image.new("L", canvas.size, 0)
        _fill(mask, shape, 255)
        canvas.paste(hatching, mask=mask)
    else:
        _fill(canvas, shape, 255)
    wobble = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(shape.points, rng.normal(0, 0.8, (99, 2)), strict=False)]
    ImageDraw.Draw(canvas).line([*wobble, wobble[0]], fill=0, width=_pen_width(shape), joint="curve")


def _pen_width(shape: Shape) -> int:
    """A finer pen for small things, which a broad one would blot out."""
    across = max(x for x, _ in shape.points) - min(x for x, _ in shape.points)
    return 2 if across < _SCALE else 4


def _pastel(shapes: Drawing, rng: np.random.Generator) -> Image.Image:
    """Flat, pale and cool, like a cut-paper poster: no lines, no shadows, large plain forms behind."""
    papers: tuple[Colour, ...] = ((214, 236, 236), (228, 222, 244), (216, 240, 222), (246, 222, 234))
    first, second, third = (papers[i] for i in rng.permutation(len(papers))[:3])
    canvas = Image.new("RGB", _LARGE, first)
    pen = ImageDraw.Draw(canvas)
    x, y, radius = rng.uniform(60, 260), rng.uniform(40, 140), rng.uniform(70, 120)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=second)
    pen.polygon([(0, 224), (0, rng.uniform(90, 200)), (320, rng.uniform(90, 200)), (320, 224)], fill=third)
    for shape in shapes:
        _fill(canvas, shape, _mix(_TINTS[shape.tint], (236, 240, 255), 0.6))
    return canvas
