"""The API's processes: one, or several that are replaced when they die."""

from contextlib import suppress

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

SILENT = 60  # seconds until a process of the server that says nothing counts as dead; one that folds a log is busy


def run_api(config: uvicorn.Config) -> bool:
    """Serve until told to stop; whether it could begin is returned."""
    if config.workers > 1:
        Supervisor(config, [config.bind_socket()]).run()
        return True
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # which it hands on once it has ended in order
        server.run()
    return server.started


class Supervisor(Multiprocess):
    """uvicorn's, but one that hears of a death at once.

    As long as it holds both ends of its pipe to a process, it waits for the answer of one that died after it was asked
    until the time is up, starts no other meanwhile, and hears no signal.
    """

    def init_processes(self) -> None:
        """Start the processes."""
        super().init_processes()
        self._let_go()

    def keep_subprocess_alive(self) -> None:
        """Start another process for each that died."""
        super().keep_subprocess_alive()
        self._let_go()

    def _let_go(self) -> None:
        for process in self.processes:
            process.child_conn.close()
