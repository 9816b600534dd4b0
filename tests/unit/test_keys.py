"""What keeps strangers out over TCP: tokens, names that are answered to, and how often one may be wrong."""

import pytest

from runsd import tokens
from runsd.api import hosts
from runsd.api.failures import MOST, PAUSE_S, Failures
from runsd.errors import Misdirected
from runsd.ids import Ids

KEY = Ids(lambda: 1_700_000_000_000_000).new("key")


def test_a_token_says_which_key_it_is_and_is_no_other() -> None:
    token, other = tokens.new(KEY), tokens.new(KEY)
    assert (tokens.key_id(token), tokens.key_id(other)) == (KEY, KEY)
    assert token != other
    assert tokens.matches(token, tokens.digest(token))
    assert not tokens.matches(other, tokens.digest(token))
    assert token not in repr(tokens.digest(token))


@pytest.mark.parametrize("text", ["", "rk_", KEY, f"rk_{KEY}", tokens.new(KEY)[:-1], tokens.new(KEY) + "\n"])
def test_what_is_no_token_is_no_key(text: str) -> None:
    assert tokens.key_id(text) is None


NAMES = {"runs.example.org"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8686",
        "10.1.2.3",
        "[::1]:8686",
        "[::1]",
        "localhost",
        "LocalHost:1",
        "Runs.Example.org.:8686",
    ],
)
def test_addresses_and_its_own_names_are_the_daemons(host: str) -> None:
    hosts.check(host, NAMES)


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "runs.example.org.evil.example", "127.0.0.1.evil.example:80", "[evil]"]
)
def test_a_name_that_was_bound_anew_is_refused(host: str | None) -> None:
    with pytest.raises(Misdirected, match=r"add the name to tcp\.hosts"):
        hosts.check(host, NAMES)


def test_who_is_wrong_too_often_waits_and_nobody_else() -> None:
    failures = Failures()
    assert [failures.add("10.0.0.1", 0.0) for _ in range(MOST)] == [0.0] * MOST
    assert failures.add("10.0.0.1", 0.0) == PAUSE_S
    assert failures.add("10.0.0.1", 1000 * PAUSE_S) == 0.0
    assert failures.add("10.0.0.2", 0.0) == 0.0


def test_a_flood_is_forgiven_as_soon_as_a_few_too_many() -> None:
    failures = Failures()
    for _ in range(100_000):
        failures.add("10.0.0.1", 0.0)
    assert failures.add("10.0.0.1", 2 * PAUSE_S) == 0.0


def test_an_ipv6_network_is_one_address() -> None:
    failures = Failures()
    for number in range(MOST):
        failures.add(f"2001:db8::{number}", 0.0)
    assert failures.add("2001:db8::ffff", 0.0) > 0
    assert failures.add("2001:db8:0:1::1", 0.0) == 0.0
