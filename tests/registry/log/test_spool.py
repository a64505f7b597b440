import logging
import mmap
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from registry.log.spool import Segment, Spool


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool", "replica-1", 100)
    yield spool
    spool.close()


def leave(folder, name: str, content: bytes):
    """A segment as a dead process leaves it: with the room that it had taken behind its lines."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content + bytes(50))
    return path


def lines(spool) -> bytes:
    return b"".join(segment.read(10_000) for segment in spool.segments())


def test_what_is_appended_is_on_disk_at_once_for_its_owner_only(spool):
    spool.append(b"one")
    spool.append(b"two")
    (path,) = spool.folder.glob("*.jsonl")
    assert path.read_bytes().rstrip(b"\0") == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert spool.pending == 8


def test_a_full_segment_is_followed_by_a_new_one_and_nothing_is_lost(spool):
    for number in range(30):
        spool.append(b"line %02d" % number)
    segments = list(spool.segments())
    assert len(segments) == 3
    assert segments[-1] is spool.current
    assert lines(spool) == b"".join(b"line %02d\n" % number for number in range(30))
    assert (spool.pending, spool.lost) == (30 * 8, 0)


@pytest.mark.parametrize("length", [98, 99, 100, 5000])
def test_a_line_of_any_length_has_room(spool, length):
    spool.append(b"one")
    spool.append(b"x" * length)
    spool.append(b"two")
    assert lines(spool) == b"one\n" + b"x" * length + b"\ntwo\n"


def test_reading_gives_whole_lines_within_the_limit_or_one_longer_line(spool):
    spool.append(b"one")
    spool.append(b"two")
    segment = spool.current
    assert segment.read(6) == b"one\n"
    segment.drained += 4
    assert segment.read(100) == b"two\n"
    segment.drained += 4
    assert segment.read(100) == b""
    spool.append(b"x" * 50)
    spool.append(b"four")
    assert segment.read(8) == b"x" * 50 + b"\n"


def test_a_line_that_its_process_did_not_finish_is_not_read(tmp_path):
    segment = Segment.take_over(leave(tmp_path, "dead.jsonl", b"one\nhalf a li"))
    assert segment.pending == 4
    assert segment.read(100) == b"one\n"
    segment.drained += 4
    assert segment.read(100) == segment.read(3) == b""
    segment.remove()


@pytest.mark.parametrize("content", [b"", b"half a li"])
def test_a_segment_without_any_line_has_nothing_to_read(tmp_path, content):
    segment = Segment.take_over(leave(tmp_path, "dead.jsonl", content))
    assert (segment.pending, segment.read(100)) == (0, b"")
    segment.remove()


def test_an_empty_file_is_no_segment(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    assert Segment.take_over(tmp_path / "empty.jsonl") is None


def test_a_living_processs_segment_cannot_be_taken(spool):
    spool.append(b"mine")
    assert Segment.take_over(spool.current.path) is None
    other = Spool(spool.folder, "replica-2", 100)
    assert list(other.abandoned()) == list(spool.abandoned()) == []
    other.close()


@pytest.mark.parametrize("name", ["dead.jsonl", "dead.new"])
def test_a_dead_processs_segment_is_taken_once(spool, name):
    path = leave(spool.folder, name, b"one\n")
    (segment,) = list(spool.abandoned())
    assert segment.path == path
    assert list(spool.abandoned()) == []
    segment.remove()
    assert not path.exists()
    assert Segment.take_over(path) is None


def test_what_a_killed_process_wrote_is_there_for_others(spool):
    program = (
        "import os, sys; from pathlib import Path; from registry.log.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 'killed', 100)\n"
        "spool.append(b'last words')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(spool.folder)], check=False)
    assert ended.returncode == -9
    (segment,) = spool.abandoned()
    assert segment.read(100) == b"last words\n"
    segment.remove()


def test_closing_leaves_what_is_not_drained_to_others_and_nothing_else(tmp_path):
    spool = Spool(tmp_path, "a", 12)
    spool.append(b"0123456789")
    spool.append(b"two")
    full, _current = spool.segments()
    full.drained = full.written
    spool.close()
    assert [path.read_bytes().rstrip(b"\0") for path in tmp_path.glob("*.jsonl")] == [b"two\n"]
    other = Spool(tmp_path, "b", 10)
    (segment,) = other.abandoned()
    assert segment.read(100) == b"two\n"
    segment.remove()
    other.close()


def dropped(spool, size: int = 12) -> Segment:
    """A segment that was full and is in the database."""
    for number in range(size):
        spool.append(b"old line%02d" % number)
    full = spool.full[0]
    spool.drop(full)
    return full


def test_a_dropped_segment_that_took_long_to_fill_is_gone(spool, monkeypatch):
    monkeypatch.setattr("registry.log.spool.YOUNG_SECONDS", 0)
    full = dropped(spool)
    assert list(spool.segments()) == [spool.current]
    assert not full.path.exists()
    assert spool.spare is None


def test_a_young_one_is_used_again_and_has_nothing_of_before_in_it(spool):
    full = dropped(spool)
    assert full.path.suffix == ".new"
    assert full.path.read_bytes() == bytes(100), "no line is left, for whoever finds it"
    inode = full.path.stat().st_ino
    while spool.spare is not None:
        spool.append(b"new line")
    path = spool.current.path
    assert (path.stat().st_ino, path.suffix, path.stat().st_mode & 0o777) == (inode, ".jsonl", 0o600)
    assert path.read_bytes().rstrip(b"\0") == b"new line\n"
    assert not full.path.exists()
    assert spool.pending == sum(len(segment.read(10_000)) for segment in spool.segments())
    assert Segment.take_over(path) is None, "its lock is ours as before"


def test_only_one_is_kept_and_it_goes_with_the_spool(tmp_path):
    spool = Spool(tmp_path / "spool", "replica-1", 100)
    dropped(spool, 30)
    for full in list(spool.full):
        spool.drop(full)
    assert len(list(spool.folder.iterdir())) == 2, "the spare one, and the current"
    spool.current.drained = spool.current.written
    spool.close()
    assert list(spool.folder.iterdir()) == []


def test_a_line_that_is_too_long_for_it_has_a_new_one(spool):
    dropped(spool)
    spool.append(b"x" * 1000)
    assert spool.spare is not None
    assert spool.current.read(2000) == b"x" * 1000 + b"\n"


def test_one_that_was_being_emptied_when_its_process_died_has_whole_lines(spool, monkeypatch):
    """Those are in the database already, which skips them."""

    def die(_seconds: float) -> None:
        raise SystemExit

    monkeypatch.setattr("registry.log.spool.EMPTIED_BYTES", 33)
    monkeypatch.setattr("registry.log.spool.time.sleep", die)
    with pytest.raises(SystemExit):
        dropped(spool)
    [path] = spool.folder.glob("*.new")
    left = path.parent / "left.jsonl"
    left.write_bytes(path.read_bytes())
    segment = Segment.take_over(left)
    assert segment is not None
    assert segment.read(10_000) == b"".join(b"old line%02d\n" % number for number in range(6))
    segment.close()


def test_one_that_cannot_be_kept_is_removed(spool, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    for _ in range(12):
        spool.append(b"old line")
    [full] = spool.full
    monkeypatch.setattr(Path, "rename", fail)
    with caplog.at_level(logging.WARNING):
        spool.drop(full)
    assert spool.spare is None
    assert not full.path.exists()
    assert "Read-only file system" in caplog.text


def test_what_a_full_disk_cannot_hold_is_counted_and_said_once(spool, monkeypatch, caplog):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    for _ in range(10):
        spool.append(b"012345678")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with caplog.at_level(logging.ERROR):
        spool.append(b"lost")
        spool.append(b"lost too")
    assert (spool.lost, len(caplog.records)) == (2, 1)
    assert "No space left" in caplog.text
    monkeypatch.undo()
    spool.retry_at = 0.0
    spool.append(b"there again")
    assert lines(spool) == b"012345678\n" * 10 + b"there again\n"
    assert sorted(path.suffix for path in spool.folder.iterdir()) == [".jsonl"] * len(list(spool.segments()))


def test_two_processes_of_one_name_do_not_share_a_segment(spool):
    other = Spool(spool.folder, spool.name, 100)
    for each in (spool, other):
        each.append(b"{}")
    assert other.current.path != spool.current.path
    other.close()


def test_other_files_are_left_alone(spool):
    spool.append(b"{}")
    for name in ("notes.txt", "x.jsonl.quarantine"):
        (spool.folder / name).write_text("mine\n")
    assert list(spool.abandoned()) == []


def test_a_disk_without_room_loses_events_but_says_how_many_and_raises_nothing(tmp_path, monkeypatch, caplog):
    def no_room(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("registry.log.spool.os.posix_fallocate", no_room)
    spool = Spool(tmp_path, "test", 1000)
    for _ in range(3):
        spool.append(b"{}")
    assert (spool.lost, spool.pending) == (3, 0)
    assert caplog.text.count("cannot be written") == 1
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    spool.retry_at = 0
    spool.append(b"{}")
    assert (spool.lost, spool.pending) == (3, 3)
    spool.close()


def test_a_segment_that_cannot_be_mapped_is_left_to_the_next_time_and_the_others_are_taken(
    tmp_path, monkeypatch, caplog
):
    broken = [leave(tmp_path, name, b"later\n") for name in ("a.jsonl", "b.jsonl")]
    leave(tmp_path, "c.jsonl", b"now\n")
    spool = Spool(tmp_path, "mine", 100)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))

    def full(descriptor, size, real=mmap.mmap):
        if (descriptors / str(descriptor)).readlink() in broken:
            raise OSError(24, "Too many open files")
        return real(descriptor, size)

    monkeypatch.setattr("registry.log.spool.mmap.mmap", full)
    (taken,) = spool.abandoned()
    assert taken.read(100) == b"now\n"
    taken.remove()
    assert len(list(descriptors.iterdir())) == before
    assert caplog.text.count("cannot be read") == 1
    monkeypatch.undo()
    again = list(spool.abandoned())
    assert [segment.path for segment in again] == broken
    for segment in again:
        segment.remove()


def test_a_new_segment_that_cannot_be_mapped_leaves_no_file_behind(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("registry.log.spool.mmap.mmap", full)
    spool = Spool(tmp_path, "mine", 100)
    spool.append(b"{}")
    assert (spool.lost, list(tmp_path.iterdir())) == (1, [])
