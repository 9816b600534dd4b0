"""A log that goes on after a crash although the Engine rotated its record: exact, or the gap is told."""

from collections.abc import Iterator

import pytest
from runsd_sdk import RunHandle

from tests.conftest import Serve
from tests.daemon.harness import Daemon, closing_stream, container_name, eventually

MIB = 1024**2
TEXT = "and some text of a line that counts"  # 48 bytes a line in all, some 120 in the Engine's files
MANY = 60_000  # some 7 MiB of record, of which the Engine has thrown 2 away


@pytest.fixture(scope="module")
def serving(serve: Serve) -> Iterator[Daemon]:
    """A daemon whose Engine keeps three files of 2 MiB of each container's record."""
    with serve(RUNSD_LOGS__MAX_BYTES_PER_ATTEMPT=str(MIB)) as daemon:
        yield daemon


@pytest.fixture
def daemon(serving: Daemon) -> Iterator[Daemon]:
    yield serving
    serving.ensure_up()


def test_where_the_record_still_has_the_end_of_what_is_stored_nothing_is_lost_or_repeated(
    daemon: Daemon,
) -> None:
    handle = daemon.submit("sh", "-c", counting(25_000, MANY, MANY + 1000))
    until_line(handle, 25_000)
    daemon.kill9()
    record = released(daemon, handle, "gate1", MANY)
    assert line(1) not in record  # it was rotated
    assert line(25_000) in record
    daemon.start()
    until_line(handle, MANY)
    daemon.open_gate(handle.id, name="gate2")
    assert handle.wait(60).exit_code == 0
    assert_exact(daemon, handle, lines(1, MANY + 1000))


def test_killed_amid_a_flood_whose_record_is_rotated_meanwhile_it_goes_on_exactly(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", counting(MANY, MANY + 10_000))
    until_line(handle, MANY // 2, more=True)
    daemon.kill9()
    record = released(daemon, handle, None, MANY)
    assert line(1) not in record
    daemon.start()
    until_line(handle, MANY)
    daemon.open_gate(handle.id, name="gate1")
    assert handle.wait(60).exit_code == 0
    assert_exact(daemon, handle, lines(1, MANY + 10_000))


def test_where_the_record_has_nothing_of_it_the_gap_is_told_and_the_rest_is_exact(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", counting(1000, 1000 + MANY, 1000 + MANY + 1000))
    until_line(handle, 1000)
    daemon.kill9()
    record = released(daemon, handle, "gate1", 1000 + MANY)
    assert line(1000) not in record
    daemon.start()
    until_line(handle, 1000 + MANY)
    daemon.open_gate(handle.id, name="gate2")
    assert handle.wait(60).exit_code == 0
    head, said, rest = daemon.raw(handle.id, "all").partition(GAP)
    assert said
    assert head == lines(1, 1000)
    first = int(rest[:6])
    assert record.startswith(line(first))
    whole = lines(first, 1000 + MANY + 1000)
    assert_kept_of(rest, whole)


GAP = (
    b"[runsd: stdout: the Engine had thrown away the beginning of its record; "
    b"output of unknown length is missing here]\n"
)


def test_what_repeats_itself_is_counted_while_the_record_has_its_beginning(daemon: Daemon) -> None:
    script = "yes | head -n 5000; until [ -e /gate1 ]; do sleep 0.02; done; yes | head -n 5000"
    handle = daemon.submit("sh", "-c", script)
    assert eventually(lambda: daemon.raw(handle.id).count(b"y\n") == 5000)
    daemon.kill9()
    daemon.start()
    daemon.until(handle.id, "run.running")
    daemon.open_gate(handle.id, name="gate1")
    assert handle.wait(60).exit_code == 0
    assert daemon.raw(handle.id, "all") == b"y\n" * 10_000


def test_a_character_across_a_cut_of_the_record_does_not_shift_the_place(daemon: Daemon) -> None:
    script = (
        "head -c 16383 /dev/zero | tr '\\0' x; printf '\\342\\202\\254\\nbefore\\n'; "
        "until [ -e /gate1 ]; do sleep 0.02; done; seq 3"
    )
    handle = daemon.submit("sh", "-c", script)
    written = b"x" * 16383 + "€\nbefore\n".encode()
    assert eventually(lambda: daemon.raw(handle.id) == written)
    daemon.kill9()
    daemon.start()
    daemon.until(handle.id, "run.running")
    daemon.open_gate(handle.id, name="gate1")
    assert handle.wait(60).exit_code == 0
    assert daemon.raw(handle.id, "all") == written + b"1\n2\n3\n"


def counting(*ends: int) -> str:
    """Return a script that counts to each number, and waits for /gate1, /gate2 … between them."""
    first, parts = 1, []
    for n, end in enumerate(ends, 1):
        parts.append(f"""awk 'BEGIN {{ for (n={first}; n<={end}; n++) printf "%06d {TEXT}\\n", n }}'""")
        parts.append(f"until [ -e /gate{n} ]; do sleep 0.02; done")
        first = end + 1
    return "; ".join(parts[:-1])


def line(n: int) -> bytes:
    return f"{n:06} {TEXT}\n".encode()


def lines(first: int, last: int) -> bytes:
    return b"".join(line(n) for n in range(first, last + 1))


def until_line(handle: RunHandle, n: int, *, more: bool = False) -> None:
    """Follow the log until a line has come."""
    with closing_stream(handle.logs(follow=True)) as entries:
        assert any(
            (int(entry.text[:6]) >= n if more and entry.text[:6].isdecimal() else entry.data == line(n))
            for entry in entries
        )


def released(daemon: Daemon, handle: RunHandle, gate: str | None, last: int) -> bytes:
    """Let the script go on, and return the Engine's record once it has this line."""
    if gate is not None:
        daemon.open_gate(handle.id, name=gate)
    name = container_name(handle.id)
    assert eventually(lambda: bytes(daemon.eye.logs(name, tail=1)) == line(last), within_s=60)
    return bytes(daemon.eye.logs(name))


def assert_exact(daemon: Daemon, handle: RunHandle, whole: bytes) -> None:
    kept = daemon.raw(handle.id, "all")
    assert kept.count(b"[runsd: ") == kept.count(b"not kept here")
    assert_kept_of(kept, whole)


def assert_kept_of(kept: bytes, whole: bytes) -> None:
    """Assert that it is whole but for what the cap took, of which it says the size."""
    before, said, after = kept.partition(b"\n[runsd: ")
    assert whole.startswith(before)
    if said:
        size, _, tail = after.partition(b" ")
        tail = tail.partition(b"]\n")[2]
        assert before + whole[len(before) : len(before) + int(size)] + tail == whole
