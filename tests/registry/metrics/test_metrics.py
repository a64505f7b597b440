"""What is counted, that it outlives its worker, and how Prometheus reads it."""

import asyncio
import fcntl
import gzip
import os
import signal
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from registry.log.live import Hub
from registry.log.minutes import BUCKETS, upper_bound
from registry.metrics import counters as counters_module
from registry.metrics import files
from registry.metrics.counters import OTHERS, Counters
from registry.metrics.endpoint import Metrics
from registry.metrics.exposition import Exposition
from registry.metrics.files import Slot
from registry.metrics.gauges import Gauges
from registry.metrics.runs import hold, remove_old
from tests.client import HTTP, Client, basic
from tests.registry.building import fleet_table

# A worker that counts, says so, and waits to be killed.
WORKER = """
import sys, time
from pathlib import Path
from registry.metrics.counters import Counters
from registry.metrics.files import Slot
counters = Counters(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    counters.count("sales", "swml", "ok", number)
counters.slots[Slot.REVISION] = 41
counters.slots[Slot.LOST] = counters.lost + 2
print(counters.number, flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    """A run that is not over, whoever dies: its supervisor lives."""
    folder = tmp_path / "metrics" / "run"
    supervised = hold(folder)
    yield folder
    os.close(supervised)


@pytest.fixture
def counters(run):
    counters = Counters(run)
    yield counters
    counters.close()


def start_worker(run, requests: int):
    """Another worker of the run, when it has counted; and its number."""
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(run), str(requests)], stdout=subprocess.PIPE)
    return process, int(process.stdout.readline())


def kill(process) -> None:
    process.kill()
    process.wait()
    process.stdout.close()


def exposition_of(counters) -> Exposition:
    return Exposition(counters, lambda: None, {"version": "1.2.3", "replica": "r"})


def scraped(counters) -> dict:
    """Every sample of a scrape, by its name and the values of its labels, in their names' order."""
    text = exposition_of(counters).write("", compress=False)[0].decode()
    return samples_of(text_string_to_metric_families(text))


def samples_of(families) -> dict:
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_requests_are_counted_by_agent_kind_and_outcome_and_latencies_by_kind(counters):
    for microseconds in (10, 63, 64, 20_000_000):
        counters.count("sales", "swml", "ok", microseconds)
    counters.count("", "unmatched", "not_found", 70)
    found = scraped(counters)
    assert found["switchboard_requests_total", "sales", "swml", "ok"] == 4
    assert found["switchboard_requests_total", "", "unmatched", "not_found"] == 1
    bucket = {key[1:]: value for key, value in found.items() if key[0] == "switchboard_request_seconds_bucket"}
    assert bucket["swml", "6.4e-05"] == 2
    assert bucket["swml", "0.000128"] == 3
    assert bucket["swml", "16.777216"] == 3
    assert bucket["swml", "+Inf"] == found["switchboard_request_seconds_count", "swml"] == 4
    assert found["switchboard_request_seconds_sum", "swml"] == pytest.approx(20.000137)


@pytest.mark.parametrize("microseconds", [0, 63, 64, 127, 128, 16_777_215, 16_777_216, 2**40])
def test_a_latency_is_in_the_bucket_that_the_minutes_have_for_it(counters, microseconds):
    counters.count("a", "swml", "ok", microseconds)
    place = counters.histograms["swml"]
    expected = next(bucket for bucket in range(BUCKETS) if microseconds < upper_bound(bucket))
    assert [bucket for bucket in range(BUCKETS) if counters.slots[place + bucket]] == [expected]


def test_all_workers_of_a_run_are_added_up(counters, run):
    counters.count("sales", "swml", "ok", 5)
    counters.count("support", "swml", "ok", 5)
    other, number = start_worker(run, 1000)
    try:
        assert {counters.number, number} == {1, 2}
        found = scraped(counters)
    finally:
        kill(other)
    assert found["switchboard_requests_total", "sales", "swml", "ok"] == 1001
    assert found["switchboard_requests_total", "support", "swml", "ok"] == 1
    assert found["switchboard_request_seconds_count", "swml"] == 1002
    assert found["switchboard_events_lost_total",] == 2
    assert found["switchboard_worker_up", "2"] == 1
    assert (found["switchboard_table_behind", "1"], found["switchboard_table_behind", "2"]) == (41, 0)


def test_what_a_killed_worker_counted_stays_and_its_gauges_go(counters, run):
    other, _ = start_worker(run, 1000)
    before = scraped(counters)
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    after = scraped(counters)
    assert after["switchboard_requests_total", "sales", "swml", "ok"] == 1000
    assert after["switchboard_events_lost_total",] == 2
    assert (before["switchboard_worker_up", "2"], after["switchboard_worker_up", "2"]) == (1, 0)
    assert ("switchboard_table_revision", "2") in before
    assert ("switchboard_table_revision", "2") not in after


def test_the_next_worker_goes_on_in_a_dead_ones_file(counters, run):
    first, number = start_worker(run, 1000)
    kill(first)
    second, again = start_worker(run, 500)
    try:
        found = scraped(counters)
    finally:
        kill(second)
    assert number == again == 2
    assert found["switchboard_requests_total", "sales", "swml", "ok"] == 1500
    assert found["switchboard_events_lost_total",] == 4
    assert found["switchboard_worker_info", str(second.pid), "2"] == 1
    assert len(list(run.glob("*.counters1"))) == 2


def test_names_that_come_later_are_read_too(run, counters):
    exposition = exposition_of(counters)
    with_other = Counters(run)
    for agent in ("one", "two"):
        with_other.count(agent, "swml", "ok", 5)
        text = exposition.write("", compress=False)[0].decode()
        assert f'agent="{agent}"' in text
    with_other.close()


def test_a_name_that_was_half_written_is_written_over(run):
    counters = Counters(run)
    counters.count("sales", "swml", "ok", 5)
    os.pwrite(
        counters.file.names,
        b'[99,"a-very-long-name-that-was-never-finished-because-the-disk-was-full"',
        counters.file.end,
    )
    counters.count("a", "swml", "ok", 5)
    counters.close()
    again = Counters(run)
    assert scraped(again)["switchboard_requests_total", "a", "swml", "ok"] == 1
    assert set(again.places) == {(OTHERS,) * 3, ("sales", "swml", "ok"), ("a", "swml", "ok")}
    again.close()


def test_an_earlier_runs_files_go_and_a_living_ones_stay(tmp_path):
    runs = tmp_path / "metrics"
    over, living = Counters(runs / "over"), Counters(runs / "living")
    over.close()
    supervised = hold(runs / "between-two-workers")
    fresh = Counters(runs / "fresh")
    assert {path.name for path in runs.iterdir()} == {"living", "between-two-workers", "fresh"}
    os.close(supervised)
    living.close()
    fresh.close()


def test_replicas_that_share_a_folder_do_not_count_together(tmp_path):
    one, two = Counters(tmp_path / "metrics" / "one"), Counters(tmp_path / "metrics" / "two")
    one.count("sales", "swml", "ok", 5)
    assert ("switchboard_requests_total", "sales", "swml", "ok") not in scraped(two)
    one.close()
    two.close()


def test_the_files_are_for_their_owner_only(counters, run):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [run.parent, run, *run.iterdir()]}
    assert modes == {"metrics": 0o700, "run": 0o700, "1.counters1": 0o600, "1.names": 0o600}


def test_a_folder_that_was_removed_while_it_was_waited_for_is_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "metrics" / "run"
    locked = fcntl.flock

    def lock_late(descriptor, how):
        monkeypatch.setattr(fcntl, "flock", locked)
        remove_old(folder.parent)
        locked(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    os.close(hold(folder))
    assert folder.exists()


# --- when there is no room -------------------------------------------------------------------------------------------


def test_what_there_is_no_room_for_is_counted_together(run, monkeypatch):
    monkeypatch.setattr(counters_module, "SLOTS", 400)
    monkeypatch.setattr(counters_module, "SPARE", 300)
    counters = Counters(run)
    for number in range(1000):
        counters.count(f"agent-{number}", "swml", "ok", 5)
    found = scraped(counters)
    others = found["switchboard_requests_total", OTHERS, "swml", "ok"]
    alone = [key for key in found if key[0] == "switchboard_requests_total" and key[1] != OTHERS]
    assert others == 1000 - len(alone)
    assert 0 < len(alone) < 100
    for number in range(1000):
        counters.count("a", f"kind-{number}", "ok", 5)
    assert sum(counters.slots[place] for place, _ in counters.places.values()) == 2000
    counters.close()


def test_a_full_disk_costs_nobody_an_answer_and_no_request_is_missed(run, monkeypatch):
    counters = Counters(run)
    counters.count("known", "swml", "ok", 5)
    monkeypatch.setattr(files.os, "pwrite", lambda _file, _line, _place: 1)
    for agent in ("known", "new", "new"):
        counters.count(agent, "swml", "ok", 5)
    found = scraped(counters)
    assert found["switchboard_requests_total", "known", "swml", "ok"] == 2
    assert found["switchboard_requests_total", OTHERS, OTHERS, OTHERS] == 2
    monkeypatch.undo()
    counters.count("new", "swml", "ok", 5)
    assert scraped(counters)["switchboard_requests_total", "new", "swml", "ok"] == 1
    counters.close()


def test_without_any_room_at_the_start_a_worker_counts_for_itself(tmp_path, caplog):
    (tmp_path / "metrics").write_text("not a folder")
    counters = Counters(tmp_path / "metrics" / "run")
    counters.count("sales", "swml", "ok", 5)
    assert scraped(counters)["switchboard_requests_total", "sales", "swml", "ok"] == 1
    assert "Metrics cannot be kept" in caplog.text
    counters.close()


def test_a_disk_that_is_full_at_the_start_is_the_same(run, monkeypatch, caplog):
    monkeypatch.setattr(files.os, "pwrite", lambda _file, _line, _place: 0)
    counters = Counters(run)
    counters.count("sales", "swml", "ok", 5)
    assert (counters.number, scraped(counters)["switchboard_requests_total", "sales", "swml", "ok"]) == (0, 1)
    assert "No space left" in caplog.text
    counters.close()


def test_a_file_that_makes_no_sense_keeps_no_worker_from_starting(run, caplog):
    Counters(run).close()
    (run / "1.names").write_text("nonsense\n")
    counters = Counters(run)
    counters.count("sales", "swml", "ok", 5)
    assert (counters.number, counters.slots[counters.places["sales", "swml", "ok"][0]]) == (0, 1)
    assert "Metrics cannot be kept" in caplog.text
    counters.close()


# --- what is counted -------------------------------------------------------------------------------------------------


def test_every_request_that_the_dispatcher_answers_is_counted(counters):
    client = Client(fleet_table())
    client.dispatcher.context.count = counters.count
    client.dispatcher.context.strangers = SimpleNamespace(
        fold=lambda _address, _path: True, knows=lambda _given, _table: False
    )
    client.post("/pharmacy", {"call": {"call_id": "C1"}})
    client.get("/pharmacy", auth=basic("u", "wrong"))
    client.get("/nobody", auth=None)
    assert client.request("PUT", "/pharmacy").status == 405
    found = {labels: counters.slots[place] for labels, (place, _) in counters.places.items() if labels[0] != OTHERS}
    assert found == {
        ("pharmacy", "swml", "ok"): 1,
        ("pharmacy", "swml", "refused"): 2,
        ("", "unmatched", "not_found"): 1,
    }


def test_a_log_that_fails_does_not_keep_a_request_from_being_counted(counters, caplog):
    client = Client(fleet_table())
    client.dispatcher.context.count = counters.count
    client.dispatcher.context.recorder = None
    client.get("/pharmacy")
    assert scraped(counters)["switchboard_requests_total", "pharmacy", "swml", "ok"] == 1
    assert "Failed to record" in caplog.text


def test_gauges_say_how_this_worker_is(counters):
    spool = SimpleNamespace(pending=4711, lost=3)
    listener = SimpleNamespace(tables=SimpleNamespace(current=fleet_table()), polled_at=None)
    hub = Hub()
    hub.viewers = {1, 2}
    gauges = Gauges(counters, listener, spool, SimpleNamespace(quarantined=5), hub)
    gauges.work()
    began = counters.slots[Slot.CURRENT_AT]
    assert began, "without a database its table is as old as the worker at least"
    listener.polled_at = began / 1_000_000 - 100
    gauges.work()
    found = scraped(counters)
    assert found["switchboard_table_age_seconds", "1"] == pytest.approx(100, abs=10)
    assert found["switchboard_spool_bytes", "1"] == 4711
    assert found["switchboard_live_viewers", "1"] == 2
    assert found["switchboard_table_revision", "1"] == 1
    assert found["switchboard_worker_info", str(os.getpid()), "1"] == 1
    assert (found["switchboard_events_lost_total",], found["switchboard_events_quarantined_total",]) == (3, 5)
    assert found["switchboard_info", "r", "1.2.3"] == 1


# --- on the wire -----------------------------------------------------------------------------------------------------


def ask(counters, *, method="GET", status=200, **headers):
    """Scrape through the endpoint, whose gate says `status`: status, headers, body, and what the gate was shown."""
    sent, shown = [], []

    async def gate(authorization):
        shown.append(authorization)
        return status

    async def send(message):
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    app = Metrics(exposition_of(counters), gate, HTTP)
    asyncio.run(app({"type": "http", "method": method, "path": "/metrics", "headers": given}, None, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], shown


def test_a_scrape_is_plain_text_or_openmetrics_as_it_is_wanted(counters):
    counters.count("sales", "swml", "ok", 5)
    status, headers, body, shown = ask(counters, authorization="Bearer swb_1")
    assert (status, shown) == (200, [b"Bearer swb_1"])
    assert headers[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"
    assert headers[b"content-length"] == str(len(body)).encode()
    plain = samples_of(text_string_to_metric_families(body.decode()))
    status, headers, body, _ = ask(counters, accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert headers[b"content-type"].startswith(b"application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    open_metrics = samples_of(openmetrics_families(body.decode()))
    assert {key[0] for key in plain} == {key[0] for key in open_metrics}


def test_a_format_that_does_not_exist_is_plain_text(counters):
    assert ask(counters, accept="application/openmetrics-text; version=abc")[0] == 200


def test_a_scrape_is_compressed_if_it_may_be(counters):
    _, headers, body, _ = ask(counters, accept_encoding="gzip")
    assert headers[b"content-encoding"] == b"gzip"
    assert b"switchboard_worker_up" in gzip.decompress(body)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_who_may_not_is_told_so_and_sees_nothing(counters, status):
    answered, headers, body, _ = ask(counters, status=status)
    assert answered == status
    assert b"switchboard" not in body
    assert headers.get(b"www-authenticate") == (b"Bearer" if status == 401 else None)
    assert (b"retry-after" in headers) == (status in (429, 503))


def test_a_gate_that_says_anything_else_is_closed(counters):
    assert ask(counters, status=204)[0] == 503


def test_head_has_no_body_and_other_methods_are_refused(counters):
    status, headers, body, _ = ask(counters, method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers[b"content-length"]) > 0
    status, headers, _, shown = ask(counters, method="POST")
    assert (status, headers[b"allow"], shown) == (405, b"GET, HEAD", [])
