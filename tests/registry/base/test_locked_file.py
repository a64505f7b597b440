import os
from pathlib import Path

import pytest

from registry.base.locked_file import closed_on_error, new_file, take_over


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_file_has_its_room_and_lock_before_its_name_and_is_taken_over_after_its_owner(tmp_path: Path) -> None:
    draft, path = tmp_path / "x.new", tmp_path / "x"
    with new_file(draft, 4096) as descriptor:
        assert not path.exists()
        draft.rename(path)
    assert (path.stat().st_size, path.stat().st_mode & 0o777, draft.exists()) == (4096, 0o600, False)
    assert take_over(path) is None, "its owner lives"
    os.close(descriptor)
    taken = take_over(path)
    assert taken is not None
    assert take_over(path) is None
    os.close(taken)


def test_what_fails_leaves_neither_draft_nor_descriptor(tmp_path: Path) -> None:
    draft = tmp_path / "x.new"
    with pytest.raises(OSError, match="no room"), new_file(draft, 4096) as descriptor:
        raise OSError("no room")
    assert (draft.exists(), is_open(descriptor)) == (False, False)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(KeyError), closed_on_error(descriptor):
        raise KeyError
    assert not is_open(descriptor)


def test_an_earlier_draft_is_replaced_only_if_it_may_be(tmp_path: Path) -> None:
    draft = tmp_path / "x.new"
    draft.write_bytes(b"left")
    with pytest.raises(FileExistsError), new_file(draft, 8):
        pass
    with new_file(draft, 8, replace=True) as descriptor:
        assert os.pread(descriptor, 8, 0) == bytes(8)
    os.close(descriptor)
    with pytest.raises(FileNotFoundError):
        take_over(draft)
