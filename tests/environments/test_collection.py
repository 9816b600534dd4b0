"""Which images go: what is old, then of too much what was used longest ago, and nothing that is in use."""

from dataclasses import replace

from runsd.environments.collection import Kept, to_remove

HOUR = 3600 * 1_000_000
NOW = 1000 * HOUR


def image(name: str, hours: float, *, size: int = 10, keep: int = 0) -> Kept:
    return Kept(name, f"sha256:{name}", size, NOW - int(hours * HOUR), keep * HOUR)


def chosen(*images: Kept, in_use: set[str] = frozenset(), keep: int = 0, most: int = 0) -> list[str]:  # type: ignore[assignment]
    kept = [replace(one, keep_us=one.keep_us or keep * HOUR) for one in images]
    return [one.name for one in to_remove(kept, in_use, now_us=NOW, most_bytes=most)]


def test_without_limits_all_stay() -> None:
    assert chosen(image("a", 900), image("b", 1)) == []


def test_what_was_not_used_for_so_long_goes() -> None:
    assert chosen(image("new", 47), image("old", 49), image("older", 50), keep=48) == ["older", "old"]


def test_of_too_much_the_one_used_longest_ago_goes_first() -> None:
    images = [image("a", 2), image("b", 4), image("c", 3)]
    assert chosen(*images, most=30) == []
    assert chosen(*images, most=29) == ["b"]
    assert chosen(*images, most=10) == ["b", "c"]


def test_what_goes_for_its_age_counts_towards_the_size() -> None:
    assert chosen(image("old", 60), image("b", 4), image("c", 3), keep=48, most=20) == ["old"]


def test_what_is_kept_for_less_time_goes_before_what_was_used_longer_ago() -> None:
    images = [image("long", 60, keep=100), image("short", 30, keep=24), image("free", 10)]
    assert chosen(*images) == ["short"]
    assert chosen(*images, most=15) == ["short", "long"]


def test_what_is_in_use_or_was_just_wanted_stays() -> None:
    images = [image("used", 900), image("young", 0.5), image("free", 800)]
    assert chosen(*images, in_use={"sha256:used"}, keep=48, most=1) == ["free"]
