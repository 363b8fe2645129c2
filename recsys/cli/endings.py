"""How a command ends when it cannot go on: in one sentence and an exit code, never in a traceback."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from typer.core import TyperGroup

from recsys.domain import RecsysError


class StoppedError(RecsysError):
    """Somebody stopped the command; ``code`` is what a shell expects of a process that a signal ended."""

    def __init__(self, number: int) -> None:
        super().__init__("stopped. Nothing is left half done: run the same command again to go on.")
        self.code = 128 + number


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, which may come at any place just like Ctrl-C."""


class Commands(TyperGroup):
    """Commands whose failures are explained, wherever in the program they come from."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for.

        Raises:
            RecsysError: for every failure that a person can do something about.
        """
        with _heeding_sigterm(), _explained():
            return super().invoke(ctx)


@contextmanager
def _heeding_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the command as Ctrl-C does, so that nothing temporary stays behind."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedError


@contextmanager
def _explained() -> Iterator[None]:
    from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError  # after --help, which needs none of it

    try:
        yield
    except KeyboardInterrupt as error:
        raise StoppedError(signal.SIGTERM if isinstance(error, _TerminatedError) else signal.SIGINT) from error
    except DBAPIError as error:
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise  # a mistake of this program
        reason = " ".join(str(error.orig).split())
        raise RecsysError(f"The database failed ({reason}): see that it can be reached and is whole.") from error
    except BrokenPipeError:
        raise  # whoever reads the output has seen enough
    except OSError as error:
        raise RecsysError(f"{error}: see that there is room, and that you may read and write there.") from error
    except MemoryError as error:
        raise RecsysError("The memory is full: train on a shorter log with --since, or on a larger machine.") from error
    except UnicodeEncodeError as error:
        raise RecsysError(f"{error.object!a} cannot be written as UTF-8: check the ids on this command.") from error
