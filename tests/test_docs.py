"""The pages under docs/ that are made from the code are those that the code makes now."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def test_the_settings_page_is_the_one_that_the_settings_make() -> None:
    spec = importlib.util.spec_from_file_location("settings_page", DOCS / "settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run python docs/settings_page.py"


def test_every_page_and_every_room_is_in_the_site() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert pages == set(re.findall(r"[\w/]+\.md", site))
    told = set(re.findall(r"^::: ([\w.]+)$", "\n".join(p.read_text() for p in (DOCS / "reference").glob("*.md")), re.M))
    rooms = {f"recsys.{path.parent.name}" for path in (ROOT / "recsys").glob("*/__init__.py")} - {"recsys.cli"}
    assert rooms | {"api"} <= told
