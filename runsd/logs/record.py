"""What the Engine's own record makes of output that is not UTF-8.

The json-file driver writes strings of JSON, and Go puts U+FFFD (three bytes) in the place of every byte that
is not part of a character (moby: daemon/logger/jsonfilelog). Whoever compares places in the record with
places in the output has to count as it does.
"""

import re

_ESCAPED = re.compile("[\udc80-\udcff]")


def as_recorded(data: bytes) -> bytes:
    """Return what the record holds for these bytes of output, which do not end inside a character."""
    try:
        data.decode()
    except UnicodeDecodeError:
        # "surrogateescape" marks each offending byte by itself, as Go does.
        return _ESCAPED.sub("\ufffd", data.decode(errors="surrogateescape")).encode()
    return data
