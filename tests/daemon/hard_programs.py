"""Functions that do what no function should: of these a run must still tell the truth, and harm nobody."""

import ctypes
import json
import math
import os
import shutil
import signal
import sys
import threading
import time
from typing import Any

OUT = "/run/runsd/out"
RESULT, PROBLEMS = f"{OUT}/result.json", f"{OUT}/problems.jsonl"
MIB = 1 << 20


# What it returns


def many_megabytes() -> str:
    return "x" * (10 * MIB)


def not_a_number() -> float:
    return math.nan


def nested_not_a_number() -> Any:
    return {"a": [1.0, math.nan, {"b": -math.inf}]}


def huge_number() -> int:
    return 10**4000


def half_a_pair() -> str:
    return "\ud800"


# How it ends


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def mute() -> None:
    raise Mute


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def out_of_memory() -> int:
    hog = []
    while True:
        hog.append(bytearray(os.urandom(MIB)))


def leaves_at_once() -> None:
    print("before", flush=True)
    os._exit(3)


def exits_with_words() -> None:
    sys.exit("enough")


def recursion(depth: int = 0) -> int:
    return recursion(depth + 1) + 1


def segfault() -> None:
    ctypes.string_at(0)


def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)


# Children


def forks_and_the_child_returns() -> str:
    if (child := os.fork()) == 0:
        return "child"
    os.waitpid(child, 0)
    return "parent"


def forks_and_the_child_stays() -> str:
    if os.fork() == 0:
        time.sleep(600)
    return "parent"


def leaves_a_thread() -> str:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return "main"


# Its surroundings


def floods() -> str:
    line = b"x" * 79 + b"\n"
    for _ in range(50):
        sys.stdout.buffer.write(line * (MIB // 80))
    return "flooded"


def closes_its_output() -> str:
    for number in range(1, 64):
        try:
            os.close(number)
        except OSError:
            continue
    return "silent"


def goes_elsewhere() -> str:
    os.chdir("/")
    shutil.rmtree("/workspace", ignore_errors=True)
    return os.getcwd()


def ten_thousand_problems() -> str:
    import logging

    scope: dict[str, Any] = {}
    for number in range(10_000):
        # In the file's name lies the difference: of one place all would be one problem.
        exec(compile("def f(): raise ValueError('x')", f"/workspace/made/{number}.py", "exec"), scope)
        try:
            scope["f"]()
        except ValueError:
            logging.getLogger("many").error("again", exc_info=True)
    return "done"


# What it leaves behind for the daemon to read


def _ends() -> None:
    """End before the runner can put its own in the place of what was left."""
    sys.stdout.flush()
    os._exit(0)


def _left(text: str) -> None:
    with open(RESULT, "w") as file:
        file.write(text)
    _ends()


def out_is_gone() -> str:
    shutil.rmtree(OUT)
    return "lost"


def out_is_a_file() -> None:
    shutil.rmtree(OUT)
    open(OUT, "w").close()
    _ends()


def out_is_a_loop() -> None:
    shutil.rmtree(OUT)
    os.symlink("out", OUT)
    _ends()


def out_leads_too_far() -> None:
    shutil.rmtree(OUT)
    os.symlink("x" * 300, OUT)
    _ends()


def out_leads_outside(folder: str) -> None:
    """Lead to a folder of the host, which has a result in it; the container has no such folder."""
    shutil.rmtree(OUT)
    os.symlink("/../../../../../../../.." + folder, OUT)
    _ends()


def result_is_a_link() -> None:
    os.symlink("/etc/passwd", RESULT)
    os.symlink("/etc/hostname", PROBLEMS)
    _ends()


def result_is_a_pipe() -> None:
    os.mkfifo(RESULT)
    os.mkfifo(PROBLEMS)
    _ends()


def result_is_a_folder() -> None:
    os.mkdir(RESULT)
    open(f"{RESULT}/inside", "w").close()
    os.mkdir(PROBLEMS)
    _ends()


def result_is_sparse() -> None:
    for path in (RESULT, PROBLEMS):
        with open(path, "w") as file:
            file.truncate(1 << 40)
    _ends()


def result_is_no_number() -> None:
    _left('{"returnValue": [NaN, 1e999, -Infinity]}')


def result_is_half_a_pair() -> None:
    _left('{"returnValue": ["\\ud800", {"\\udfff": 1}]}')


def result_is_deep() -> None:
    _left('{"returnValue": ' + "[" * 900 + "]" * 900 + "}")


def result_is_huge_number() -> None:
    _left('{"returnValue": ' + "9" * 4000 + "}")


def result_is_too_much() -> None:
    _left('{"returnValue": "' + "x" * (3 * MIB) + '"}')


def result_is_a_list() -> None:
    _left("[]")


def result_is_nothing_but_zeros() -> None:
    _left("\0" * 1000)


def problems_without_end() -> None:
    with open(PROBLEMS, "wb") as file:
        for _ in range(256):
            file.write(b"\n" * MIB)
    _ends()


def problems_of_nonsense() -> None:
    nonsense = [
        "{}",
        "[]",
        "null",
        "[" * 100_000,
        '{"a":' * 5000,
        "NaN",
        "\x00",
        "9" * 5000,
        json.dumps({"fingerprint": 1, "origin": "uncaught", "time": 1e300, "type": "T"}),
        json.dumps({"fingerprint": [], "origin": [], "time": -1e12, "type": "T"}),
        '{"fingerprint": "a", "origin": "uncaught", "time": NaN, "type": "T"}',
        json.dumps(
            {
                "fingerprint": "b",
                "origin": "uncaught",
                "time": 1,
                "type": "\ud800",
                "message": "\udfff",
                "stacktrace": "\x00",
                "frames": ["\ud800", 1, None],
                "count": 10**11,
            }
        ),
    ]
    with open(PROBLEMS, "w") as file:
        file.write("\n".join(nonsense))
    _ends()


def problems_that_blame_others() -> None:
    with open(PROBLEMS, "w") as file:
        for number in range(60_000):
            file.write(f'{{"fingerprint":"{number}","origin":"logged","time":1,"type":"T"}}\n')
    _ends()
