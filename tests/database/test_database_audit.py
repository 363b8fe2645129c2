"""Who did what is read back as it was written."""

from recsys.database import audit
from recsys.database.session import Sessions, writing


def test_details_are_read_back_as_they_were_written(sessions: Sessions) -> None:
    details = {"section": "inf", "names": ["nan", "-inf"], "strength": 2.5, "until": None}
    with writing(sessions) as session:
        audit.record(session, at=1.0, who="ann", action="rule.create", subject="7", details=details)
    with sessions() as session:
        (row,) = audit.newest(session, 5)
    assert row.details == details
