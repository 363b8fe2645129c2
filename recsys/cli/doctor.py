"""``recsys doctor``: the usual troubles, and what to do about them."""

from recsys.cli.context import Json, load_settings, show
from recsys.domain import RecsysError


def doctor(as_json: Json = False) -> None:
    """Find the usual troubles of the log, the model and this host; exit 1 when there is an error among them."""
    from recsys.lifecycle.doctor import examine

    found = examine(load_settings())
    lines = [f"{finding.severity}: {finding.what}\n  {finding.do}" for finding in found]
    show({"findings": found}, as_json, "\n".join(lines) or "Nothing is wrong as far as this can tell.")
    errors = sum(finding.severity == "error" for finding in found)
    if errors:
        raise RecsysError(f"{errors} of {len(found)} findings {'is an error' if errors == 1 else 'are errors'}.")
