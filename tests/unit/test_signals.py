"""Wake-ups: whoever listens is woken once per look, whoever left is forgotten."""

import asyncio

from runsd.signals import Signals, woken


async def test_a_listener_is_woken_by_each_of_its_topics_and_no_other() -> None:
    signals = Signals()
    with signals.listening("a", "b") as event:
        for topic in ("a", "b"):
            signals.notify(topic)
            assert await woken(event, 0)
        signals.notify("c")
        assert not event.is_set()


async def test_everyone_who_listens_is_woken() -> None:
    signals = Signals()
    with signals.listening("a") as one, signals.listening("a") as other:
        signals.notify("a")
        assert one.is_set()
        assert other.is_set()


async def test_a_signal_before_the_wait_is_not_lost_and_many_are_one() -> None:
    signals = Signals()
    with signals.listening("a") as event:
        signals.notify("a")
        signals.notify("a")
        assert await woken(event, 10)
        assert not await woken(event, 0)


async def test_a_signal_during_the_wait_ends_it() -> None:
    signals = Signals()
    with signals.listening("a") as event:
        waiting = asyncio.create_task(woken(event, 10))
        await asyncio.sleep(0)
        signals.notify("a")
        assert await waiting


async def test_nobody_waits_longer_than_asked() -> None:
    assert not await woken(asyncio.Event(), 0.001)


async def test_who_left_hears_nothing_and_leaves_nothing_behind() -> None:
    signals = Signals()
    with signals.listening("a") as stays:
        with signals.listening("a", "b") as left:
            pass
        signals.notify("a", "b")
        assert stays.is_set()
        assert not left.is_set()
    assert not signals._listeners


async def test_a_signal_to_nobody_is_no_error() -> None:
    Signals().notify("a")
