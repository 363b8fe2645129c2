"""Metrics of several worker processes add up, and a dead one leaves its counts and takes its gauges along."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from recsys.serving.exposition import FOLDER, shared_folder

WORKER = """
import sys
from recsys.serving.metrics import EVENTS, LOG_LAG, SERVING
EVENTS.labels("accepted").inc(int(sys.argv[1]))
LOG_LAG.set(float(sys.argv[2]))
SERVING.labels("v1").set(1)
print("counted", flush=True)
sys.stdin.read()
"""
SCRAPE = """
from prometheus_client import CollectorRegistry
from recsys.serving.exposition import exposed
print(exposed(CollectorRegistry(), None)[0].decode())
"""


@pytest.fixture
def folder(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    with shared_folder(2):
        yield os.environ[FOLDER]


def worker(events, lag):
    command = [sys.executable, "-c", WORKER, str(events), str(lag)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdout.readline() == b"counted\n"
    return started


def scraped():
    """Values by sample name, as a further process reads them."""
    text = subprocess.run([sys.executable, "-c", SCRAPE], capture_output=True, text=True, check=True).stdout
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: sample.value for sample in samples}


def test_workers_add_up_and_a_dead_one_takes_its_gauges_along(folder):
    first, second = worker(3, 7.0), worker(4, 500.0)
    try:
        together = scraped()
        second.send_signal(signal.SIGKILL)
        second.wait()
        left = scraped()
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    assert together["recsys_events_total"] == left["recsys_events_total"] == 7
    assert (together["recsys_log_lag_seconds"], left["recsys_log_lag_seconds"]) == (500, 7)
    assert (together["recsys_model_processes"], left["recsys_model_processes"]) == (2, 1)


def test_the_folder_goes_with_the_service(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    with shared_folder(2):
        folder = Path(os.environ[FOLDER])
        assert folder.is_dir()
    assert FOLDER not in os.environ
    assert not folder.exists()


def test_one_worker_needs_no_folder(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    with shared_folder(1):
        assert FOLDER not in os.environ


def test_a_folder_that_is_named_already_stays(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with shared_folder(2):
        assert os.environ[FOLDER] == str(tmp_path)
    assert tmp_path.is_dir()
