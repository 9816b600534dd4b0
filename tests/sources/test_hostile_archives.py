"""Whatever an archive says, it is refused, or it can be unpacked without touching anything outside."""

import errno
import io
import os
import tarfile
from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from runsd.errors import Refused, SourceFailed
from runsd.sources import archive

KINDS = [
    tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
    tarfile.FIFOTYPE, tarfile.CONTTYPE,
]  # fmt: skip
steps = st.sampled_from(["a", "b", "c", "..", ".", "", "a b", "..a", "\u00e9"])
paths = st.lists(steps, min_size=1, max_size=4).map("/".join)
members = st.tuples(paths, st.sampled_from(KINDS), paths, st.none() | paths, st.none() | paths)


def packed(entries: list[tuple[str, bytes, str, str | None, str | None]]) -> bytes:
    """Return an archive of them; an extended header says another name or target than the plain one."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, target, other_name, other_target in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            extended = {"path": other_name, "linkpath": other_target}
            info.pax_headers = {key: value for key, value in extended.items() if value is not None}
            tar.addfile(info)
    return whole.getvalue()


def leads_to_itself(path: Path) -> bool:
    try:
        path.stat()
    except OSError as failure:
        return failure.errno == errno.ELOOP
    return False


@given(st.lists(members, min_size=1, max_size=5))
@settings(deadline=None, max_examples=300)
def test_what_is_accepted_stays_where_it_is_unpacked(
    entries: list[tuple[str, bytes, str, str | None, str | None]],
) -> None:
    with TemporaryDirectory() as folder:
        file, inside = Path(folder, "source.tar"), Path(folder, "deep", "inside")
        file.write_bytes(packed(entries))
        inside.mkdir(parents=True)
        try:
            archive.count_files(file)
        except Refused:
            return
        with tarfile.open(file) as tar:
            for member in tar:
                tarfile.data_filter(member, str(inside))  # raises for all that leads out
                # What has no target, is its own, or is a folder already: whoever unpacks may complain.
                with suppress(OSError, KeyError, RecursionError):
                    tar.extract(member, inside, filter="data")
        for found in inside.rglob("*"):
            if leads_to_itself(found):  # of which realpath makes anything
                continue
            assert Path(os.path.realpath(found)).is_relative_to(os.path.realpath(inside))
        beside = chain(Path(folder).iterdir(), Path(folder, "deep").iterdir())
        assert {path.name for path in beside} == {"source.tar", "deep", "inside"}


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=12)), max_size=4),
    st.integers(0, 6000),
)
@settings(deadline=None, max_examples=300)
def test_an_archive_with_other_bytes_somewhere_is_refused_or_read(
    changes: list[tuple[int, bytes]], length: int
) -> None:
    good = packed([("a/b", tarfile.REGTYPE, "", "a/long", None), ("l", tarfile.SYMTYPE, "a", None, None)])
    content = bytearray(good)
    for at, other in changes:
        content[at : at + len(other)] = other
    with TemporaryDirectory() as folder:
        file = Path(folder, "source.tar")
        file.write_bytes(bytes(content[:length]) if changes else bytes(content))
        try:
            assert archive.count_files(file) > 0
        except Refused:
            assert changes
            return
        for name in ("a/long", "a/b", "l", "none"):
            with suppress(SourceFailed):
                assert (archive.content_of(file, name, most_bytes=1000) or b"") in bytes(content)
