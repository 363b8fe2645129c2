"""Ids of generated articles and readers, for processes that import nothing else."""

SHOWN = 10  # articles in each list


def article_id(key: int) -> str:
    """The public id of a generated article."""
    return f"a{key:07d}"


def user_id(key: int) -> str:
    """The public id of a generated reader."""
    return f"u{key:07d}"
