import base64
import logging
import os
import sqlite3
import stat
import time
from datetime import timedelta

import orjson
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection
from django.utils import timezone

from agents.models import Agent, AgentVersion
from agents.tokens import TOKEN_SECONDS
from registry.actions import agents as agent_actions
from registry.actions import pauses, routes, sip_names
from registry.models import Installation, RegistryChange, Route
from registry.routing.decide import decide
from registry.routing.facts import Facts
from registry.routing.table import RoutingTable
from registry.secret_key import fingerprint
from registry.serving import snapshot
from registry.serving.loader import CHUNK, Loader, read_records
from registry.serving.snapshot import SnapshotError, SnapshotFile, SnapshotKeeper, database_place
from tests.client import Client, basic, load_table
from tests.config.processes import python, wait_for

HOLDER = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"

# Its few pages of cache are full long before the end, so half of the new rows are in the file when the process dies.
CRASH = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 5")
database.execute("BEGIN IMMEDIATE")
database.execute("DELETE FROM agent")
database.executemany("INSERT INTO agent VALUES (?, ?)", [(number, "x" * 5000) for number in range(500)])
os._exit(9)
"""


def text(number):
    return {
        "prompt": {"text": f"I am number {number}."},
        "functions": {"who": {"description": "Who", "handler": {"reply": f"number {number}"}}},
    }


@pytest.fixture
def file(tmp_path):
    return SnapshotFile(tmp_path / "snapshot.sqlite3", "here")


@pytest.fixture
def make_keeper(file):
    """Makes keepers of one file, whose worker serves the newest revision."""
    keepers = []

    def make():
        keepers.append(SnapshotKeeper(file, RegistryChange.newest, lambda: 1))
        return keepers[-1]

    yield make
    for keeper in keepers:
        keeper.end()


def write(file):
    """All that the database has now, also inside a test's transaction, where a keeper cannot write."""
    file.write(RegistryChange.newest(), None, read_records(None))


def table_of(file):
    """The table that a worker makes of the file."""
    found = file.read()
    return Loader().build(RoutingTable(), found.revision, None, [found.rows])


def records(file):
    return dict(file.read().rows)


def records_of_database():
    return {agent: record for rows in read_records(None) for agent, record in rows}


def answers(table):
    """What a table answers to one of each kind of request."""
    client = Client(table, public_url=None)
    asked = [client.get(f"{path}?call_id=C1") for path in (*table.routes, "/nobody")]
    asked += [client.get("/info?call_id=C1", auth=auth) for auth in (None, basic("u", "wrong"), basic("own", "secret"))]
    names = [*table.sip, "stranger"]
    asked += [client.post("/sip", {"call": {"to": f"sip:{name}@example.com"}}) for name in names]
    asked += [client.post("/info/sip", {"call": {"to": f"sip:{name}@example.com"}}) for name in names]
    for route, entry in table.routes.items():
        for number in [*entry.agent.versions, 99]:
            (token,) = entry.agent.key.mint(number, 1_800_000_060, [b"function:who"], "C1")
            asked.append(client.swaig(f"http://x{route}/swaig/?__token={token.decode()}", "who"))
    unlike = ("id", "microseconds", "time")
    return [
        (one.status, one.headers, one.body, {key: value for key, value in one.event.items() if key not in unlike})
        for one in asked
    ]


@pytest.fixture
def busy_fleet(fleet, actor):
    """Three agents with all that a table can tell: versions, pause, more routes, a default, own and foreign secrets."""
    for number in (2, 3):
        agent_actions.publish("info-line", text(number), by=actor)
    agent_actions.publish("pharmacy", text(2), by=actor)
    pauses.pause("pharmacy", "Back at nine.", by=actor, until=timezone.now() + timedelta(days=1))
    agent_actions.register("second", "/second", text(1), by=actor, credentials=("own", "secret"))
    Route.objects.create(path="/more/second", agent=Agent.objects.get(name="second"))
    sip_names.register_sip_username("hotline", "/more/second", by=actor)
    routes.set_default_route("/info", by=actor)
    agent_actions.register("broken", "/broken", text(1), by=actor, credentials=("u", "p"))
    Agent.objects.filter(name="broken").update(live=None)
    return fleet


def test_a_table_from_the_snapshot_answers_as_the_one_from_the_database(busy_fleet, file, settings, monkeypatch):
    monkeypatch.setattr("secrets.token_urlsafe", lambda _length: "made-up")
    write(file)
    ours, theirs = table_of(file), load_table()
    assert ours.revision == theirs.revision
    assert (list(ours.routes), list(ours.sip), list(ours.agents)) == (
        list(theirs.routes),
        list(theirs.sip),
        list(theirs.agents),
    )
    assert ours.default.path == "/info"
    assert answers(ours) == answers(theirs)
    said = answers(ours)
    assert {status for status, *_ in said} == {200, 307, 401, 404}
    assert {b'{"response":"number %d"}' % number for number in (2, 3)} <= {body for _, _, body, _ in said}
    assert set(ours.routes["/info"].agent.versions) == {1, 2, 3}

    settings.SECRET_KEY = "another"
    assert answers(table_of(file)) == answers(load_table())
    assert table_of(file).agents["pharmacy"].agent.credentials is None


def test_versions_that_no_call_can_be_on_any_more_are_not_prepared(busy_fleet, file, monkeypatch):
    write(file)
    later = time.time() + TOKEN_SECONDS + 60
    monkeypatch.setattr("registry.serving.loader.time.time", lambda: later)
    assert set(table_of(file).routes["/info"].agent.versions) == {3}


def test_the_file_has_what_is_served_and_its_secrets_only_encrypted(busy_fleet, file, actor):
    Agent.objects.filter(name="second").update(signing_key="sign-with-this")
    routes.unregister("/clinic/booking", by=actor)
    AgentVersion.objects.filter(agent__name="info-line", number=1).update(
        retired=timezone.now() - timedelta(seconds=TOKEN_SECONDS + 60)
    )
    write(file)
    table = table_of(file)
    assert set(table.agents) == {"info-line", "pharmacy", "second", "broken"}
    assert table.agents["second"].agent.credentials.password == "secret"
    assert table.agents["second"].agent.signing_key == "sign-with-this"
    content = file.path.read_bytes()
    assert b"I am number 3." in content
    assert b"I am number 1." in content  # of the other agents
    for secret in (b"own:secret", b"sign-with-this", base64.b64encode(b"own:secret"), b"u:p"):
        assert secret not in content
    with sqlite3.connect(file.path) as database:
        raw = connection.cursor()
        raw.execute("SELECT credentials FROM agents_agent WHERE name = 'second'")
        record = database.execute("SELECT record FROM agent WHERE record LIKE '%\"second\"%'").fetchone()[0]
        assert raw.fetchone()[0] in record
    database.close()


def test_nobody_else_may_read_it_from_its_first_byte_on(fleet, file):
    modes = []

    def rows():
        for chunk in read_records(None):
            yield chunk
            modes.extend((path.name, stat.S_IMODE(path.stat().st_mode)) for path in file.path.parent.iterdir())

    umask = os.umask(0)
    try:
        for changed in (None, set(records_of_database())):
            file.write(1, changed, rows())
    finally:
        os.umask(umask)
    assert {name for name, _ in modes} == {"snapshot.sqlite3", "snapshot.sqlite3-journal"}
    assert {mode for _, mode in modes} == {0o600}
    file.path.chmod(0o644)
    write(file)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_writing_that_breaks_off_leaves_the_former_state(fleet, file, actor):
    write(file)
    before = file.read()
    pauses.pause("pharmacy", by=actor)

    def rows():
        yield from read_records(None)
        raise OperationalError("the server is gone")

    for changed in (None, set(records_of_database())):
        with pytest.raises(OperationalError):
            file.write(99, changed, rows())
        assert file.read() == before


def test_a_process_that_is_killed_while_it_writes_leaves_the_former_state(fleet, file):
    write(file)
    before = file.read()
    size = file.path.stat().st_size
    crashed = python(CRASH, file.path)
    crashed.communicate()
    assert crashed.returncode == 9
    assert file.path.stat().st_size > size
    assert file.read() == before
    write(file)
    assert records(file) == records_of_database()


def test_a_snapshot_of_another_database_or_format_is_refused(fleet, file):
    write(file)
    with pytest.raises(SnapshotError, match="another database"):
        SnapshotFile(file.path, "there").read()
    with sqlite3.connect(file.path) as database:
        database.execute("UPDATE meta SET value = '0' WHERE name = 'format'")
    database.close()
    with pytest.raises(SnapshotError, match="another version of Switchboard"):
        file.read()
    assert SnapshotFile(file.path.with_name("none"), "here").read() is None


def test_a_database_is_known_by_its_address_and_name_and_not_by_its_password(settings):
    postgres = "django.db.backends.postgresql"
    base = {"ENGINE": postgres, "HOST": "db", "PORT": 5432, "NAME": "a", "USER": "u", "PASSWORD": "p", "OPTIONS": {}}

    def place(**changes):
        return database_place({**base, **changes})

    assert place() == place(USER="other", PASSWORD="other", PORT="5432")
    by_socket = {"HOST": "", "PORT": "", "OPTIONS": {"host": "/run/postgres", "port": 5432}}
    embedded = {"ENGINE": "config.embedded", "HOST": ""}
    places = {place(), place(HOST="db2"), place(PORT=5433), place(NAME="b"), place(**by_socket), place(**embedded)}
    assert len(places) == 6
    settings.DATA_DIR = settings.DATA_DIR / "other"
    assert place(**embedded) not in places


def test_changed_agents_are_written_and_gone_ones_removed(transactional_db, actor, make_keeper, file, monkeypatch):
    Installation.objects.create(secret_fingerprint=fingerprint(django_settings.SECRET_KEY))
    keeper = make_keeper()
    keeper.work()
    assert file.read()[::2] == (0, [])
    written = []
    original = file.write
    monkeypatch.setattr(file, "write", lambda *args: written.append(args[1]) or original(*args))
    for change in [
        lambda: agent_actions.register("a", "/a", text(1), by=actor, credentials=("u", "p")),
        lambda: agent_actions.register("b", "/b", text(1), by=actor, sip=["desk"]),
        lambda: agent_actions.publish("a", text(2), by=actor),
        lambda: pauses.pause("b", "Later.", by=actor),
        lambda: routes.unregister("/a", by=actor),
        lambda: agent_actions.register("a", "/again", text(3), by=actor),
        lambda: routes.set_default_route("/b", by=actor),
    ]:
        change()
        keeper.work()
        assert records(file) == records_of_database()
        assert file.read().revision == RegistryChange.newest()
    count = len(written)
    keeper.work()
    assert len(written) == count == 7
    assert all(len(changed) <= 2 for changed in written)
    # A gap in the feed, and a database that was made anew at the same place: everything.
    RegistryChange.objects.create(revision=RegistryChange.newest() + 5, agent_id=None, created=timezone.now())
    keeper.work()
    pauses.pause("a", by=actor)
    Installation.objects.update(created=timezone.now() - timedelta(days=1))
    keeper.work()
    assert written[count:] == [None, None]


def test_more_agents_than_are_read_at_once(transactional_db, make_keeper, file):
    agents = Agent.objects.bulk_create(Agent(name=f"a{number}") for number in range(CHUNK * 2 + 1))
    Route.objects.bulk_create(Route(path=f"/{agent.name}", agent=agent) for agent in agents)
    make_keeper().work()
    assert len(file.read().rows) == len(agents)
    assert set(table_of(file).routes) == set(Loader().next(None, gently=True).routes)


@pytest.mark.parametrize("content", [b"", b"not a database", "truncated", "scrambled", "other tables"])
def test_a_damaged_file_is_refused_and_replaced_by_a_good_one(
    transactional_db, actor, make_keeper, file, monkeypatch, content, caplog
):
    monkeypatch.setattr("registry.serving.snapshot.WRITE_AGAIN_SECONDS", 0)
    for number in range(20):
        agent_actions.register(f"a{number}", f"/a{number}", text(number), by=actor)
    keeper = make_keeper()
    keeper.work()
    good = file.path.read_bytes()
    if content == "other tables":
        file.path.unlink()
        with sqlite3.connect(file.path) as database:
            database.execute("CREATE TABLE agent (x)")
        database.close()
    else:
        scrambled = good[:4096] + os.urandom(len(good) - 4096)
        file.path.write_bytes({"truncated": good[:5000], "scrambled": scrambled}.get(content, content))
    with pytest.raises((SnapshotError, KeyError)):
        table_of(file)
    # Its keeper notices when it writes next, and then writes everything.
    pauses.pause("a1", by=actor)
    keeper.work()
    keeper.work()
    assert records(file) == records_of_database()
    assert keeper.problem == ""
    assert len([record for record in caplog.records if record.name == "registry.serving.snapshot"]) == 1
    assert {path.name for path in file.path.parent.iterdir()} == {"snapshot.sqlite3", "snapshot.lock"}


def test_a_new_keeper_replaces_a_damaged_file_at_once(transactional_db, actor, make_keeper, file):
    agent_actions.register("a", "/a", text(1), by=actor)
    file.path.write_bytes(b"not a database" * 1000)
    keeper = make_keeper()
    keeper.retry_at = 0
    keeper.work()
    keeper.retry_at = 0
    keeper.work()
    assert records(file) == records_of_database()


def test_a_full_disk_is_said_once_and_tried_again_later(
    transactional_db, actor, make_keeper, file, caplog, monkeypatch
):
    keeper = make_keeper()
    keeper.work()
    opened = SnapshotFile.opened

    class Full(SnapshotFile):
        def opened(self):
            context = opened(self)
            enter = context.__enter__

            class Small:
                def __enter__(self):
                    database = enter()
                    database.execute("PRAGMA max_page_count = 1")
                    return database

                def __exit__(self, *error):
                    return context.__exit__(*error)

            return Small()

    keeper.file = Full(file.path, file.place)
    for number in range(3):
        agent_actions.register(f"a{number}", f"/a{number}", {"prompt": {"text": "long " * 5000}}, by=actor)
        keeper.retry_at = 0
        keeper.work()
        assert "full" in keeper.problem
        keeper.work()  # not yet again
    assert [record.message for record in caplog.records if "cannot be written" in record.message] == [
        f"The snapshot {file.path} cannot be written, calls go on: database or disk is full"
    ]
    assert file.read().rows == []
    keeper.file, keeper.retry_at = file, 0
    keeper.work()
    assert keeper.problem == ""
    assert records(file) == records_of_database()


def test_a_place_that_cannot_be_written_is_a_problem_and_no_more(transactional_db, make_keeper, file, caplog):
    file.path.mkdir()
    keeper = make_keeper()
    keeper.work()
    assert keeper.problem
    with pytest.raises(SnapshotError):
        file.read()
    file.path = file.path.parent / "snapshot.sqlite3/x/y"
    file.path.parent.parent.rmdir()
    file.path.parent.parent.write_text("a file where a folder should be")
    another = make_keeper()
    another.work()
    assert "directory" in another.problem


def test_one_worker_keeps_the_file_and_another_takes_over_when_it_is_dead(transactional_db, actor, make_keeper, file):
    holder = python(HOLDER, file.path.with_suffix(".lock"))
    holder.stdout.readline()
    first, second = make_keeper(), make_keeper()
    agent_actions.register("a", "/a", text(1), by=actor)
    first.work()
    second.work()
    assert file.read() is None
    holder.kill()
    holder.communicate()
    first.work()
    second.work()
    assert (first.lock is None, second.lock is None) == (False, True)
    assert records(file) == records_of_database()
    # The second knows nothing of the file, so it writes all of it.
    with sqlite3.connect(file.path) as database:
        database.execute("INSERT INTO agent VALUES (99, '{}')")
    database.close()
    first.end()
    second.work()
    assert records(file) == records_of_database()


def test_while_the_table_is_not_the_databases_nothing_is_written(file, make_keeper, db):
    keeper = make_keeper()
    keeper.served = lambda: None
    keeper.work()
    assert (keeper.lock, file.path.exists()) == (None, False)


def test_changes_are_written_together_and_what_is_left_at_the_end(
    transactional_db, actor, make_keeper, file, settings, monkeypatch
):
    monkeypatch.setattr("registry.serving.snapshot.SnapshotKeeper.pause_seconds", 0.5)
    keeper = make_keeper()
    written = []
    original = file.write
    monkeypatch.setattr(file, "write", lambda *args: written.append(args[0]) or original(*args))
    keeper.start()
    wait_for(lambda: written)
    for number in range(5):
        agent_actions.register(f"a{number}", f"/a{number}", text(number), by=actor)
    wait_for(lambda: len(written) > 1)
    wait_for(lambda: file.read().revision == RegistryChange.newest())
    assert len(written) <= 3
    pauses.pause("a1", by=actor)
    keeper.stop(10)
    assert not keeper.thread.is_alive()
    assert records(file) == records_of_database()


def test_a_database_that_goes_away_meanwhile_is_said_once(
    transactional_db, make_keeper, file, settings, monkeypatch, caplog
):
    monkeypatch.setattr("registry.base.daemon.RETRY_SECONDS", (0.01,))
    tried = []

    def away():
        tried.append(1)
        raise OperationalError("gone")

    keeper = make_keeper()
    keeper.served = lambda: 1
    monkeypatch.setattr(snapshot, "one_view", away)
    with caplog.at_level(logging.WARNING):
        keeper.start()
        wait_for(lambda: len(tried) > 3)
        keeper.stop(10)
    assert [record.message for record in caplog.records] == ["The snapshot on disk is not renewed: gone"]


def test_a_pause_ends_without_the_database_and_a_file_of_before_is_read(fleet, actor, file):
    until = timezone.now() + timedelta(minutes=15)
    pauses.pause("pharmacy", by=actor, until=until)
    write(file)
    entry = table_of(file).agents["pharmacy"]
    assert decide(table_of(file), Facts(entry.path), until.timestamp() - 1).outcome == "paused"
    assert decide(table_of(file), Facts(entry.path), until.timestamp() + 1).outcome == "agent"
    found = [(agent, orjson.loads(record)) for agent, record in records(file).items()]
    for _, record in found:
        del record["paused_until"]
    file.write(1, None, [[(agent, orjson.dumps(record)) for agent, record in found]])
    assert decide(table_of(file), Facts(entry.path), until.timestamp() + 1).outcome == "paused"
