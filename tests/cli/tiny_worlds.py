"""Logs so small or so odd that they are hardly logs, as folders in the project's own table format."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

HOUR = 3600.0
NOW = time.time() // HOUR * HOUR
SPLIT = NOW - 10 * HOUR  # what came before is trained on


def _spread(number: int, lists: int) -> float:
    """Evenly over the two days before the last hour."""
    return NOW - 49 * HOUR + number * 48 * HOUR / lists


@dataclass(frozen=True)
class Log:
    """``lists`` lists over ``articles`` articles for ``users`` users, each with a click where ``clicked`` says so."""

    articles: int = 20
    users: int = 10
    lists: int = 80
    shown: bool = True  # else the clicks stand alone
    clicked: Callable[[int], bool] = lambda _number: True
    at: Callable[[int, int], float] = _spread  # of so many

    def write(self, folder: Path) -> Path:
        """Make the folder."""
        folder.mkdir()
        numbers = range(self.lists)
        items = [[f"a{(3 * n + k) % self.articles}" for k in range(min(5, self.articles))] for n in numbers]
        at = [self.at(n, self.lists) for n in numbers]
        known = pd.DataFrame({"user_id": [f"u{n % self.users}" for n in numbers], "at": at})
        known["impression_id"] = [f"i{n}" for n in numbers] if self.shown else None
        clicks = known.assign(event_id=[f"c{n}" for n in numbers])
        clicks["article_id"] = [list_of[n % len(list_of)] for n, list_of in enumerate(items)]
        clicks = clicks[[self.clicked(n) for n in numbers]]
        self._articles().to_parquet(folder / "articles.parquet")
        if self.shown and self.lists:
            known.assign(items=items).to_parquet(folder / "impressions.parquet")
        if len(clicks):
            clicks.to_parquet(folder / "clicks.parquet")
        return folder

    def _articles(self) -> pd.DataFrame:
        published = [NOW - 60 * HOUR + number * HOUR for number in range(self.articles)]
        ids = [f"a{number}" for number in range(self.articles)]
        titles = [f"Story number {number} of the day" for number in range(self.articles)]
        return pd.DataFrame({"article_id": ids, "title": titles, "published_at": published})
