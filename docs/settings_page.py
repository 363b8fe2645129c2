"""Writes docs/settings.md from the Settings class: ``python docs/settings_page.py``; a test checks that it was done."""

from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from recsys.settings import Settings

PAGE = Path(__file__).with_name("settings.md")
INTRODUCTION = """\
# Settings

Each is an environment variable, or a line in a file `.env` in the folder where `recsys` is started; the environment
wins over the file. Nothing else is read from the environment. A value that does not fit is refused by name before
anything happens. This page is written from the class `recsys.settings.Settings` by `python docs/settings_page.py`.

| variable | values | default | what it does |
|---|---|---|---|
"""


def page() -> str:
    """The page as it should stand in docs/settings.md."""
    return INTRODUCTION + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    default = str(field.default)
    shown = f"`{default}`" if default else "(empty)"
    return f"| `RECSYS_{name.upper()}` | {_values(field)} | {shown} | {field.description} |\n"


def _values(field: FieldInfo) -> str:
    kind = _kind(field.annotation)
    bounds = [_bound(rule) for rule in field.metadata]
    return ", ".join([kind, *filter(None, bounds)])


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_kind(part) for part in get_args(annotation))
    names = {
        Path: "path",
        str: "text",
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        type(None): "nothing",
    }
    return names[annotation]


def _bound(rule: Any) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return " ".join(f"{word} {getattr(rule, name)}" for name, word in words.items() if hasattr(rule, name))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
