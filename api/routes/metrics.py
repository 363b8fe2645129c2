"""What the processes count and time, for Prometheus."""

from fastapi import APIRouter, Request, Response

from api.deps import RunningDep
from api.problems import documented
from api.security import needs
from recsys.serving.exposition import exposed

router = APIRouter()


@router.get(
    "/metrics",
    dependencies=[needs("read")],
    response_class=Response,
    responses={200: {"description": "Prometheus's text format", "content": {"text/plain": {}}}, **documented(401, 403)},
)
def metrics(request: Request, running: RunningDep) -> Response:
    """Metrics of all workers, in Prometheus's text format or OpenMetrics, by what the scraper accepts."""
    body, media_type = exposed(running.watch, request.headers.get("accept"))
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
