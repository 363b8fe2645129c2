"""What a request for recommendations asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from recsys.domain import Context, Timestamp


@dataclass(frozen=True)
class Asked:
    """One request of one user."""

    user_id: str
    at: Timestamp
    limit: int
    section: str | None
    exclude: Sequence[str]
    context: Context
    with_explanations: bool
    log: bool  # False for previews
