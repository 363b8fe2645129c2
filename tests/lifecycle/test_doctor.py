"""Each trouble that the doctor knows is found where it is, and not where it is not."""

import fcntl
import json
import os
import shutil
from types import SimpleNamespace

import made_patients as patient
import made_world
import pytest
from made_patients import DAY, NOW
from PIL import Image
from sqlalchemy import text, update

from recsys.database import events, jobs, models
from recsys.database.session import open_engine, upgrade, writing
from recsys.database.tables import ClickRow
from recsys.domain import Article, Click
from recsys.encoders import expected_ids
from recsys.lifecycle.doctor import examine
from recsys.lifecycle.worker import LOCK


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100e9))


def finding(settings, words, now=NOW):
    """The one finding that says these words; None where none does."""
    found = [finding for finding in examine(settings, now) if words in finding.what]
    assert len(found) <= 1
    assert all(finding.do for finding in found)
    return found[0] if found else None


def severity(settings, words, now=NOW):
    told = finding(settings, words, now)
    return None if told is None else told.severity


def test_a_database_without_a_schema(settings):
    told = finding(settings, "has no schema yet")
    assert (told.severity, "recsys init" in told.do) == ("error", True)


def test_a_schema_of_an_older_program(settings):
    upgrade(settings, "0001")
    assert severity(settings, "is at schema 0001") == "error"
    assert {found.severity for found in examine(settings)} == {"error"}


def test_a_damaged_database_file(settings, sessions):
    patient.catalogue(sessions, count=500)
    with sessions() as session:
        session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    sessions.kw["bind"].dispose()
    file = settings.home / "recsys.db"
    data = bytearray(file.read_bytes())
    data[-3 * 4096 :] = b"\x5a" * (3 * 4096)
    file.write_bytes(data)
    told = finding(settings, "The database file is damaged")
    assert (told.severity, "Restore" in told.do) == ("error", True)


def test_an_empty_log(settings, sessions):
    assert severity(settings, "The log is empty") == "error"
    assert finding(settings, "no positive feedback") is None


def test_no_positive_feedback(settings, sessions):
    patient.clicks(sessions, 5, weight=0.0)
    patient.lists(sessions, 5)
    assert severity(settings, "no positive feedback") == "error"
    patient.lists(sessions, 6, clicked=[5])
    assert finding(settings, "no positive feedback") is None
    assert finding(settings, "The log is empty") is None


def test_all_timestamps_equal(settings, sessions):
    patient.clicks(sessions, 30, at=NOW - 5)
    assert severity(settings, "All 30 newest events have one and the same time") == "error"
    patient.lists(sessions, 1)
    assert finding(settings, "one and the same time") is None


def test_dates_instead_of_times(settings, sessions):
    midnight = NOW // DAY * DAY
    for day in range(3):
        clicks = [Click(f"{day}-{n}", "u", f"a{n}", midnight - day * DAY) for n in range(10)]
        with writing(sessions) as session:
            events.add_clicks(session, clicks)
    assert severity(settings, "All 30 newest events happened at 00:00:00 UTC") == "warning"
    patient.clicks(sessions, 1)
    assert finding(settings, "their times are dates") is None


def test_events_in_the_future(settings, sessions):
    patient.clicks(sessions, 10)
    assert finding(settings, "in the future") is None
    assert severity(settings, "10 events became known in the future", now=NOW - 3600) == "error"


def test_events_that_were_known_before_they_happened(settings, sessions):
    patient.clicks(sessions, 10)
    assert finding(settings, "before they happened") is None
    with writing(sessions) as session:
        session.get(ClickRow, 3).known_at -= 100.0
    assert severity(settings, "1 of the 10 newest events became known before they happened") == "warning"


@pytest.mark.parametrize(("clicked", "words"), [(range(0), "Nothing was clicked"), (range(100), "CTR of 100%")])
def test_lists_that_are_never_or_always_clicked(settings, sessions, clicked, words):
    patient.lists(sessions, 100, clicked=clicked)
    assert severity(settings, words) == "warning"


@pytest.mark.parametrize(("count", "clicked"), [(99, 0), (99, 99), (100, 1), (100, 99)])
def test_lists_that_are_sometimes_clicked_or_few(settings, sessions, count, clicked):
    patient.lists(sessions, count, clicked=range(clicked))
    assert finding(settings, "was clicked in") is None


@pytest.mark.parametrize(("lost", "told"), [(0, False), (5, False), (6, True), (100, True)])
def test_clicks_of_lists_that_nobody_told_of(settings, sessions, lost, told):
    patient.lists(sessions, 150, clicked=range(100))
    with writing(sessions) as session:
        session.execute(update(ClickRow).where(ClickRow.position <= lost).values(impression_id="elsewhere"))
    found = finding(settings, "name one that was not known by then")
    assert (found is not None) == told
    if found is not None:
        assert f"{lost}% of the 100 newest clicks" in found.what


def test_one_user_with_most_clicks(settings, sessions):
    patient.clicks(sessions, 100, users=2)
    assert finding(settings, "User ") is None
    patient.lists(sessions, 30, clicked=range(0, 30, 10))
    assert severity(settings, "User 'u0' made 53 of the 103 newest clicks") == "warning"


def test_lists_of_one_article(settings, sessions):
    patient.lists(sessions, 20, items=["a0"])
    assert severity(settings, "show one article only") == "warning"
    patient.lists(sessions, 21)
    assert finding(settings, "show one article only") is None


def test_ids_that_never_match_the_catalogue(settings, sessions):
    patient.catalogue(sessions, count=3)
    patient.clicks(sessions, 20, items=4)
    told = finding(settings, "in no catalogue")
    assert (told.severity, told.what.startswith("25% of the 4 articles")) == ("warning", True)
    patient.catalogue(sessions, count=4)
    assert finding(settings, "in no catalogue") is None


def test_no_model_and_none_live(settings, sessions):
    assert severity(settings, "no model yet") == "error"
    patient.version(sessions, live=False)
    assert severity(settings, "none is live") == "error"
    assert finding(settings, "no model yet") is None


def test_a_live_version_whose_files_are_gone(settings, sessions):
    patient.version(sessions)
    told = finding(settings, "The live version v1 cannot be read")
    assert (told.severity, "recsys rollback" in told.do) == ("error", True)


def test_a_model_that_is_older_than_its_data(settings, sessions):
    patient.clicks(sessions, 10)
    patient.version(sessions, until=NOW - 10.0 - 1.5 * DAY)
    assert finding(settings, "days later") is None
    patient.version(sessions, "v2", until=NOW - 10.0 - 2.5 * DAY)
    assert severity(settings, "the newest event came 2.5 days later") == "warning"
    assert "RECSYS_RETRAIN_EVERY" in finding(settings, "2.5 days later").do
    patient.version(sessions, "v3", live=False)
    with writing(sessions) as session:
        models.reject(session, "v3", "only 7 clicked lists to compare on")
    told = finding(settings, "2.5 days later")
    assert told.what.endswith("The last training, v3, was kept back: only 7 clicked lists to compare on.")
    assert "recsys promote" in told.do


def test_vectors_of_another_encoder(settings, sessions):
    patient.catalogue(sessions, count=3)
    patient.encoded(sessions, "another/model")
    told = finding(settings, "All title vectors are of another/model")
    assert (told.severity, "RECSYS_TITLE_ENCODER" in told.do) == ("error", True)
    patient.encoded(sessions, expected_ids(settings)["title"])
    assert finding(settings, "All title vectors") is None


def test_articles_that_wait_without_a_worker(settings, sessions):
    patient.catalogue(sessions, count=3)
    assert (
        severity(settings, "(3 without a vector of the title, 3 without a vector of the image), and no worker runs")
        == "warning"
    )
    with (settings.home / LOCK).open("w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        assert finding(settings, "no worker runs") is None
        assert severity(settings, "Articles wait to be encoded") == "warning"
    for modality, encoder in expected_ids(settings).items():
        patient.encoded(sessions, encoder, modality)
    assert finding(settings, "Articles wait") is None


def test_a_retraining_that_nobody_begins(settings, sessions):
    with writing(sessions) as session:
        job = jobs.ask(session, jobs.RETRAIN, NOW)
    assert finding(settings, "a retraining, waits", NOW + 60) is None
    told = finding(settings, f"Job {job}, a retraining, waits since 10 minutes", NOW + 600)
    assert (told.severity, "no worker runs" in told.what) == ("warning", True)
    with (settings.home / LOCK).open("w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        assert "though a worker runs" in finding(settings, "a retraining, waits", NOW + 600).what
    with writing(sessions) as session:
        jobs.begin(session, jobs.RETRAIN, "somebody", NOW)
    assert finding(settings, "a retraining, waits", NOW + 600) is None


def test_pictures_that_fail_by_reason(settings, sessions, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"no picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    names = ["empty.png", "text.png", "gone.png", "https://example.org/picture.png"]
    images = [name if name.startswith("https") else str(tmp_path / name) for name in names]
    encoder = expected_ids(settings)["image"]
    patient.catalogue(sessions, Article("bare"), Article("good", image=str(tmp_path / "good.png")))
    patient.encoded(sessions, encoder, "image")
    assert finding(settings, "pictures could not be read") is None
    patient.catalogue(sessions, *(Article(f"bad{n}", image=image) for n, image in enumerate(images)))
    patient.encoded(sessions, encoder, "image", status="broken")
    told = finding(settings, "4 of 5 pictures could not be read")
    assert told.severity == "warning"
    for reason in ("1 are empty", "1 are damaged", "1 are not there", "1 could not be fetched"):
        assert reason in told.what


def test_a_stale_checkpoint(settings, sessions):
    patient.clicks(sessions, 10)
    settings.checkpoint.parent.mkdir(parents=True)
    settings.checkpoint.touch()
    os.utime(settings.checkpoint, (NOW - 600, NOW - 600))
    assert finding(settings, "checkpoint") is None
    os.utime(settings.checkpoint, (NOW - DAY, NOW - DAY))
    assert severity(settings, "The newest checkpoint is 24.0 hours older than the log") == "warning"
    assert finding(settings.model_copy(update={"checkpoint_every": 0.0}), "checkpoint") is None


@pytest.mark.parametrize(("free", "expected"), [(3e9, None), (1e9, "warning"), (1e8, "error")])
def test_a_disk_that_is_nearly_full(settings, monkeypatch, free, expected):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    assert severity(settings, f"has {free / 1e6:,.0f} MB left") == expected


def test_errors_come_first(settings, sessions):
    patient.lists(sessions, 100)
    found = [told.severity for told in examine(settings, NOW)]
    assert found == sorted(found)
    assert set(found) == {"error", "warning"}


def test_a_healthy_site_has_no_errors(settings):
    made_world.install(settings).kw["bind"].dispose()
    assert [told for told in examine(settings, made_world.NOW) if told.severity == "error"] == []


def test_settings_that_name_another_encoder_than_the_live_version(settings):
    made_world.install(settings).kw["bind"].dispose()
    manifest = next(settings.snapshots.glob("*/manifest.json"))
    assert "title" in json.loads(manifest.read_text())["encoders"]
    told = finding(settings.model_copy(update={"title_encoder": ""}), "reads title vectors of encoders", made_world.NOW)
    assert (told.severity, "RECSYS_TITLE_ENCODER" in told.do) == ("warning", True)


def test_looking_changes_nothing(settings, sessions):
    patient.clicks(sessions, 10)
    before = {path.name: path.read_bytes() for path in settings.home.glob("*.db")}
    engine = open_engine(settings)
    examine(settings, NOW)
    engine.dispose()
    assert {path.name: path.read_bytes() for path in settings.home.glob("*.db")} == before
