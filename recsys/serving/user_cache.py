"""The newest views of users, by the ids they came under: used only while the database does not answer."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy.orm import Session

from recsys.database import users
from recsys.features.history import UserView

LOOK_BACK = 180.0  # seconds: clocks differ, transactions take a while, and an answer may be under way


@dataclass(frozen=True)
class CachedUser:
    """A user as the last answer knew them."""

    user: int  # key
    view: UserView
    version: str  # of the model that answered them


class UserCache:
    """At most so many users; the one who came longest ago goes first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, CachedUser] = OrderedDict()
        self._looked = time.time()  # when erasures were last asked for

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, user_id: str, user: int, view: UserView, version: str) -> None:
        """Remember a user; one of whom the database knows nothing (any more) is forgotten."""
        with self._lock:
            self._kept.pop(user_id, None)
            if user == 0 or self.most == 0:
                return
            self._kept[user_id] = CachedUser(user, view, version)
            if len(self._kept) > self.most:
                self._kept.popitem(last=False)

    def follow(self, session: Session) -> None:
        """Forget who was erased, by whichever process."""
        now = time.time()
        erased = users.erased_since(session, min(now, self._looked) - LOOK_BACK)
        with self._lock:
            self._looked = now
            if not erased:
                return
            for user_id in [user_id for user_id, kept in self._kept.items() if kept.user in erased]:
                del self._kept[user_id]

    def find(self, user_id: str) -> CachedUser | None:
        """What is remembered of a user."""
        return self._kept.get(user_id)
