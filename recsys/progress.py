"""How work that lasts tells how far it has come."""

from collections.abc import Callable

Progress = Callable[[int, int], object]  # steps done, steps in all
StageProgress = Callable[[str, int, int], object]  # the same, behind the name of the stage


def untold(*_: object) -> None:
    """Progress of which nobody wants to hear."""
