from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from studio.lib.errors import StudioError
from studio.models import Workspace
from vault import arrivals, housekeeping
from vault.arrivals import Arrival, Mangled, Misplaced
from vault.store import DiskFull

DATA = b"text,label\nhello,greeting\nbye,farewell\n"


def begin(workspace: Workspace, user: User, data: bytes = DATA, **how: Any) -> Arrival:
    return arrivals.open_arrival(workspace, user, name="rows.csv", size=len(data), mark=how.get("mark", "1"))


def send(arrival: Arrival, offset: int, data: bytes) -> int:
    return arrivals.append(arrival, offset=offset, data=data, checksum=zlib.crc32(data))


def test_a_file_in_pieces_is_the_file(workspace: Workspace, editor: User) -> None:
    arrival = begin(workspace, editor)
    assert send(arrival, 0, DATA[:10]) == 10 and send(arrival, 10, DATA[10:]) == len(DATA)
    again = begin(workspace, editor)
    assert (again.id, again.received, again.complete) == (arrival.id, len(DATA), True)
    found = arrivals.finish(again)
    assert found.path.read_bytes() == DATA and found.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (found.name, found.size, found.line_count, found.keep) == ("rows.csv", len(DATA), 3, True)
    arrivals.drop(again)
    assert arrivals.find_arrival(workspace, editor, arrival.id) is None


def test_the_same_file_goes_on_where_it_stood_and_another_begins_anew(workspace: Workspace, editor: User) -> None:
    send(begin(workspace, editor), 0, DATA[:10])
    assert begin(workspace, editor).received == 10
    assert begin(workspace, editor, mark="2").received == 0
    assert [a.received for a in arrivals.list_arrivals(workspace, editor)] in ([0, 10], [10, 0])


def test_a_piece_sent_twice_changes_nothing_and_one_out_of_order_is_told_its_place(
    workspace: Workspace, editor: User
) -> None:
    arrival = begin(workspace, editor)
    assert send(arrival, 0, DATA[:10]) == 10
    assert send(arrival, 0, DATA[:10]) == 10
    with pytest.raises(Misplaced) as caught:
        send(arrival, 20, DATA[20:])
    assert caught.value.received == 10
    with pytest.raises(Misplaced):
        send(arrival, 5, DATA[5:15])
    assert send(arrival, 10, DATA[10:]) == len(DATA)


def test_a_piece_that_changed_on_the_way_is_not_kept(workspace: Workspace, editor: User) -> None:
    arrival = begin(workspace, editor)
    with pytest.raises(Mangled, match="changed on the way"):
        arrivals.append(arrival, offset=0, data=DATA, checksum=1)
    with pytest.raises(Mangled, match="More bytes came"):
        send(arrival, 0, DATA + b"x")
    assert begin(workspace, editor).received == 0


def test_what_a_killed_server_wrote_of_a_piece_is_written_again(workspace: Workspace, editor: User) -> None:
    arrival = begin(workspace, editor)
    send(arrival, 0, DATA[:10])
    with (arrival.folder / "data").open("ab") as target:
        target.write(b"\0\0\0half a piece")
    assert begin(workspace, editor).received == 10
    send(arrival, 10, DATA[10:])
    assert arrivals.finish(begin(workspace, editor)).path.read_bytes() == DATA


def test_a_full_disk_keeps_what_was_there(workspace: Workspace, editor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    arrival = begin(workspace, editor)
    send(arrival, 0, DATA[:10])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull):
            send(arrival, 10, DATA[10:])
    assert begin(workspace, editor).received == 10
    assert send(arrival, 10, DATA[10:]) == len(DATA)


def test_a_file_that_will_not_fit_is_refused_before_its_first_byte(
    workspace: Workspace, editor: User, settings: Settings, monkeypatch: pytest.MonkeyPatch, data_root: Path
) -> None:
    class Usage(NamedTuple):
        total: int
        used: int
        free: int

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
        with pytest.raises(DiskFull):
            begin(workspace, editor)
    settings.MAX_UPLOAD_BYTES = 10
    with pytest.raises(StudioError, match="too large"):
        begin(workspace, editor)
    with pytest.raises(StudioError, match="is empty"):
        begin(workspace, editor, b"")
    assert list((data_root / "scratch" / "arriving").glob("*")) == []


def test_a_file_is_only_its_owners(workspace: Workspace, other_workspace: Workspace, editor: User, owner: User) -> None:
    arrival = begin(workspace, editor)
    assert arrivals.find_arrival(workspace, owner, arrival.id) is None
    assert arrivals.find_arrival(other_workspace, editor, arrival.id) is None
    for key in ("", "../x", "0" * 32, arrival.id.upper() + "0"):
        assert arrivals.find_arrival(workspace, editor, key) is None


def test_a_discarded_file_takes_no_more_pieces_and_an_unfinished_one_is_not_used(
    workspace: Workspace, editor: User
) -> None:
    arrival = begin(workspace, editor)
    with pytest.raises(StudioError, match="0 of 39 bytes arrived"):
        arrivals.finish(arrival)
    arrivals.drop(arrival)
    with pytest.raises(StudioError, match="was discarded"):
        send(arrival, 0, DATA)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(st.integers(0, 220), st.integers(0, 90), st.sampled_from(["send", "send", "spoil", "die"])),
        max_size=25,
    )
)
def test_whatever_comes_in_whatever_order_only_the_file_can_arrive(
    workspace: Workspace, editor: User, moves: list[tuple[int, int, str]]
) -> None:
    data = bytes(range(200))
    arrival = arrivals.open_arrival(workspace, editor, name="x", size=200, mark="m")
    for offset, length, kind in moves:
        piece = data[offset : offset + length]
        try:
            if kind == "spoil":
                arrivals.append(arrival, offset=offset, data=piece, checksum=zlib.crc32(piece) ^ 1)
            elif kind == "die":
                with (arrival.folder / "data").open("ab") as target:
                    target.write(b"x" * length)
            else:
                send(arrival, offset, piece)
        except (Misplaced, Mangled):
            pass
    place = arrivals.open_arrival(workspace, editor, name="x", size=200, mark="m").received
    send(arrival, place, data[place:])
    assert (
        arrivals.finish(arrivals.open_arrival(workspace, editor, name="x", size=200, mark="m")).path.read_bytes()
        == data
    )
    arrivals.drop(arrival)


def test_what_nobody_went_on_with_for_a_day_is_swept(workspace: Workspace, editor: User) -> None:
    old, young = begin(workspace, editor, mark="old"), begin(workspace, editor, mark="young")
    then = time.time() - 2 * 86_400
    for path in (*old.folder.iterdir(), old.folder):
        os.utime(path, (then, then))
    list(housekeeping.sweep_scratch())
    assert not old.folder.exists() and young.folder.exists()
