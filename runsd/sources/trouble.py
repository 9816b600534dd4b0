"""What git's own words mean to whoever wanted a source, and what to do about it."""

import re
from typing import Final

from runsd.errors import SourceFailed
from runsd.sources.address import Address

_LONGEST = 300
_SHORTEST_SECRET = 4  # nobody's token, and in too many words
# What a server says is matched as well: nothing here may take a time that grows much faster than its length.
_USERINFO = re.compile(r"(://)[^/@\s']*@")
_NOISE = re.compile(r"^(hint|warning|remote: (Counting|Compressing|Enumerating|Total)|From |\s*$|.*\d% )")

UNADVERTISED: Final = re.compile(
    r"unadvertised object|not our ref|couldn't find remote ref|dumb http transport does not support shallow"
)
"""A server that does not give this object by its id, nor a part of a history."""

MISSING: Final = re.compile(r"not our ref")
"""A server that gives any object by its id, if it has it (gitprotocol-v2(5))."""

BROKEN: Final = re.compile(
    r"not a git repository|object file .* is empty|loose object .* is corrupt|packfile .* (cannot|is corrupt)"
    r"|bad (object|ref)|unable to (read|parse) (tree|sha1|object)|invalid sha1 pointer"
    r"|index-pack abnormal exit|did not send all necessary objects|bad config|shallow file has changed"
    r"|error in object|file too short"
)
"""A mirror that is damaged, as by a power cut."""

_TABLE: Final = (
    # pattern, what it means and what to do
    (r"No space left on device|Disk quota exceeded", "the disk is full; make room in the data directory"),
    (
        r"dubious ownership",
        "it belongs to another user; name it as safe.directory in the file of the setting sources.git_config",
    ),
    (
        r"Host key verification failed",
        "ssh does not know its host; add the host's key to known_hosts of the user that runsd runs as",
    ),
    (
        r"SSL certificate|certificate verif|SSL peer|SSL:",
        "its host's certificate is not trusted; add the authority's to this host",
    ),
    (
        r"Could not resolve host|unable to look up|Temporary failure in name|Name or service not known"
        r"|Connection refused|Couldn't connect|Failed to connect|unable to connect|Network is unreachable"
        r"|No route to host|Connection timed out|Operation timed out|Connection reset by",
        "its host cannot be reached; check the address, or try again later",
    ),
    (
        r"could not read (Username|Password)|Authentication failed|terminal prompts disabled"
        r"|Permission denied \(|Invalid username or|HTTP Basic: Access denied|returned error: 40[13]\b",
        "its host asks for a login that works; check the address, and name a secret that holds one",
    ),
    (
        r"repository .*not found|Repository not found|does not appear to be a git repository"
        r"|returned error: 404|no such repository|not exported|no such path|Could not find repository",
        "there is no such repository, or it is hidden from you; check the address",
    ),
    (
        r"early EOF|hung up unexpectedly|unexpected disconnect|RPC failed|transfer closed|invalid index-pack"
        r"|Empty reply|recv failure|broken pipe",
        "the connection broke; try again",
    ),
    (r"transport '.*' not allowed", "its host leads to another protocol, which is not allowed"),
)


def explained(what: str, said: str, address: Address) -> SourceFailed:
    """Return the error for what could not be done, such as ``"fetch main"``, from what git said."""
    words = redacted(said, address)
    meaning = next((meant for pattern, meant in _TABLE if re.search(pattern, words, re.IGNORECASE)), None)
    told = _last_words(words)
    if meaning is None:
        return SourceFailed(f"cannot {what} of {address.shown}: {told or 'git failed and did not say why'}")
    return SourceFailed(f"cannot {what} of {address.shown}: {meaning}" + (f" (git: {told})" if told else ""))


def redacted(said: str, address: Address) -> str:
    """Return git's words without anything secret."""
    words = _USERINFO.sub(r"\1…@", said)
    if query := address.url.partition("?")[2]:
        words = words.replace(query, "…")
    for secret in (address.password, address.username):
        if len(secret) >= _SHORTEST_SECRET:
            words = words.replace(secret, "…")
    return words


def _last_words(words: str) -> str:
    """Return the line that says most: what the server or git called an error, else the last one."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", words) if not _NOISE.match(line)]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ERROR:"))]
    line = next(iter(telling or lines[-1:]), "")
    line = re.sub(r"^((fatal|error|remote|ERROR): ?)+", "", line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
