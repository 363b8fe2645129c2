"""Real logs for the tests of the fold, where they lie beside the repository."""

from collections.abc import Iterator

import pytest
from fold_ebnerd import FOLDER, Stored, stored
from fold_worlds import PLAIN


def pytest_configure(config: pytest.Config) -> None:
    """As plain Python, the arithmetic modulo 2 ** 64 of the samples warns of overflow."""
    if PLAIN:
        config.addinivalue_line("filterwarnings", "ignore:overflow encountered in scalar:RuntimeWarning")


@pytest.fixture(scope="session")
def ebnerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """All of EB-NeRD's demo week in a SQLite database, and as columns."""
    if not FOLDER.is_dir():
        pytest.skip(f"EB-NeRD is not at {FOLDER}")
    if PLAIN:
        pytest.skip("EB-NeRD takes hours in plain Python")
    log = stored(tmp_path_factory.mktemp("ebnerd"))
    yield log
    log.sessions.kw["bind"].dispose()
