"""Who may do what: the rule over every caller and everything that a route may ask for."""

from itertools import product

import pytest

from runsd.access import DEFAULT_PROJECT, Access, Caller, member, project_of, require
from runsd.errors import Forbidden, Unknown

EXISTING = {DEFAULT_PROJECT, "ours", "theirs"}
OWN = 1000
SOMEBODY = 1001


@pytest.mark.parametrize(("has", "needs"), list(product(Access, Access)))
def test_whoever_has_one_has_those_before_it_and_no_more(has: Access, needs: Access) -> None:
    order = ["none", "read", "write", "admin"]
    allowed = order.index(has) >= order.index(needs)
    assert permits(Caller("a", has), needs) is allowed
    assert permits(Caller("a", has, frozenset({"ours"})), needs) is allowed


@pytest.mark.parametrize("access", Access)
def test_what_is_about_the_host_is_for_those_who_reach_every_project(access: Access) -> None:
    assert permits(Caller("a", Access.ADMIN), access, host=True)
    assert not permits(Caller("a", Access.ADMIN, frozenset(EXISTING)), access, host=True)


@pytest.mark.parametrize("uid", [0, OWN])
def test_root_and_the_daemons_own_user_may_do_everything(uid: int) -> None:
    caller = member(uid, own_uid=OWN, projects=frozenset())
    assert (caller.access, caller.of_host) == (Access.ADMIN, True)
    assert [project_of(caller, name, EXISTING) for name in sorted(EXISTING)] == sorted(EXISTING)


def test_others_use_the_default_project_and_those_that_they_were_added_to() -> None:
    caller = member(SOMEBODY, own_uid=OWN, projects=frozenset({"ours"}))
    assert permits(caller, Access.WRITE)
    assert not permits(caller, Access.ADMIN)
    assert project_of(caller, None, EXISTING) == DEFAULT_PROJECT
    assert project_of(caller, "ours", EXISTING) == "ours"


def test_nobody_can_tell_a_closed_project_from_one_that_does_not_exist() -> None:
    caller = member(SOMEBODY, own_uid=OWN, projects=frozenset({"gone"}))
    for existing in (EXISTING, EXISTING - {"theirs"}):
        with pytest.raises(Unknown) as caught:
            project_of(caller, "theirs", existing)
        assert str(caught.value).startswith("there is no project 'theirs' that you may use")
    with pytest.raises(Unknown):
        project_of(caller, "gone", EXISTING)  # deleted while somebody was a member


def permits(caller: Caller, access: Access, *, host: bool = False) -> bool:
    try:
        require(caller, access, host=host)
    except Forbidden as no:
        assert caller.name in str(no)
        return False
    return True
