"""What the Engine's record makes of bytes that are no characters, and how places in it are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.logs.record import as_recorded

REPLACED = "\ufffd".encode()


@given(st.text())
def test_characters_are_recorded_as_they_are(text: str) -> None:
    assert as_recorded(text.encode()) == text.encode()


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        (b"a\xff\xfeb", b"a" + 2 * REPLACED + b"b"),
        (b"\xe2\x82A", 2 * REPLACED + b"A"),  # a character that was cut short: each of its bytes
        (b"\xed\xa0\x80", 3 * REPLACED),  # a surrogate is no character
        (b"\0\r\n", b"\0\r\n"),
    ],
)
def test_every_other_byte_becomes_the_replacement_character(written: bytes, recorded: bytes) -> None:
    assert as_recorded(written) == recorded
