"""``recsys serve``: the API and the background worker, where others may reach them and nobody listens yet."""

import socket
from ipaddress import ip_address
from typing import Annotated, Any

import typer

from recsys.cli.context import Json, limit_threads, load_settings
from recsys.cli.output import print_json
from recsys.domain import RecsysError


def serve(
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    workers: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Run the API and the background worker."""
    settings = load_settings()
    limit_threads(settings)  # before anything below loads numpy

    import uvicorn

    from recsys.cli.processes import SILENT, run_api
    from recsys.database.session import open_sessions
    from recsys.lifecycle.worker_process import WorkerProcess
    from recsys.logs import config
    from recsys.serving.exposition import shared_folder

    check_host(open_sessions(settings), host)
    check_port(host, port)
    if as_json:
        print_json({"host": host, "port": port, "workers": workers})
    server = uvicorn.Config(
        "api.app:create_app", factory=True, host=host, port=port, workers=workers,
        log_config=config(settings.log_format), access_log=False, http="api.patience:PatientProtocol",
        timeout_worker_healthcheck=SILENT,
    )  # fmt: skip
    worker = WorkerProcess(settings)
    try:
        with shared_folder(workers):
            began = run_api(server)
    except SystemExit as ended:  # with a code of uvicorn's own; its log says why
        raise typer.Exit(1 if ended.code else 0) from ended
    finally:
        worker.stop()
    if not began:
        raise typer.Exit(1)


def check_host(sessions: Any, host: str) -> None:
    """Refuse to listen for other machines while there are no keys, since then everybody could do everything.

    Raises:
        RecsysError: when ``host`` is not this machine's loopback and no key is in use.
    """
    from recsys.database import keys as known

    with sessions() as session:
        if known.callers(session) or _is_loopback(host):
            return
    raise RecsysError(
        f"Without API keys everybody who reaches {host} could read and change everything, so only 127.0.0.1 is "
        "possible: make a key first, with `recsys keys create NAME --scope read --scope write`."
    )


def check_port(host: str, port: int) -> None:
    """Find out now what uvicorn would only find out once the model is loaded.

    Raises:
        RecsysError: when nobody can listen there.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)  # "": any
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (OSError, UnicodeError) as error:  # the latter of names that cannot be one
        why = error.strerror if isinstance(error, OSError) else "this is no name of a host"
        raise RecsysError(
            f"Nobody can listen on port {port} of {host} ({why}): choose others with --port and --host."
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(host or "0.0.0.0", None)}
    except (OSError, UnicodeError):
        return False  # a name that nobody knows
    return all(ip_address(address.partition("%")[0]).is_loopback for address in found)
