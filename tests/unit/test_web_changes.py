"""What differs between two versions of a spec."""

from runsd.web.changes import Change, changes


def test_what_is_other_new_or_gone_is_told_by_its_field() -> None:
    before = {"image": "a", "args": ["x", 1], "env": {"A": "1", "B": "2"}, "name": "n", "user": None}
    after = {
        "image": "a",
        "args": ["x", 2],
        "env": {"A": "1", "C": {}},
        "resources": {"requests": {"cpu": "2"}},
    }
    assert changes(before, after) == [
        Change("args", '["x", 1]', '["x", 2]'),
        Change("env.B", '"2"', None),
        Change("env.C", None, "{}"),
        Change("name", '"n"', None),
        Change("resources.requests.cpu", None, '"2"'),
        Change("user", "null", None),
    ]
    assert changes(after, after) == []
