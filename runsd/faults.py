"""Fault points: every step of the daemon that leaves a trace, and the crash that a test may order there.

All that the daemon does to the world passes one of two seams: a commit (``Sqlite.write`` takes the name of
its step) or a call of the Engine, of git, or for files (``effect`` marks the methods). Each step has a point
before and a point after its trace is left, where a process with ``RUNSD_FAULT=before:finish`` or
``RUNSD_FAULT=after:log_chunks#3`` (at the third passage) kills itself with SIGKILL. Without that variable a
point is one comparison and nothing else.
"""

import os
import signal
from collections.abc import Callable, Coroutine
from enum import StrEnum
from functools import wraps
from typing import Any, ParamSpec, TypeVar

VARIABLE = "RUNSD_FAULT"
P = ParamSpec("P")
T = TypeVar("T")
Effect = Callable[P, Coroutine[Any, Any, T]]


class Step(StrEnum):
    """What leaves a trace, in the order of a run's life. A test kills the daemon around each of them."""

    COPY_DATABASE = "copy_database"  # file: what an older runsd wrote, before it is changed
    MIGRATE = "migrate"  # commit: a database has today's schema
    INSTANCE = "instance"  # commit: the name of this installation
    SUBMIT = "submit"  # commit: runs accepted
    CANCEL = "cancel"  # commit: a cancel is asked for, or ends a queued run
    CHANGE = "change"  # commit: another deadline, other labels
    EXPIRE = "expire"  # commit: queued for too long
    ADD_KEY = "add_key"  # file: secrets have a key, or another one
    SET_SECRET = "set_secret"  # commit: a secret has a value  # noqa: S105
    DELETE_SECRET = "delete_secret"  # commit: a secret is gone  # noqa: S105
    RESEAL_SECRETS = "reseal_secrets"  # commit: all are encrypted with the newest key
    DROP_KEYS = "drop_keys"  # file: the older ones are gone
    TASK = "task"  # commit: a task is made, changed or deleted
    DELIVERY = "delivery"  # commit: what came to a hook has made a run
    SCHEDULED = "scheduled"  # commit: an instant of a schedule is decided, and its run made
    FETCH_SOURCE = "fetch_source"  # git: a repository's mirror has the commit that a run needs
    STORE_UPLOAD = "store_upload"  # file: a source that was sent is there, whole
    ADMIT = "admit"  # commit: an attempt is made
    PULLING = "pulling"  # commit: its image is being fetched
    PULL_PROGRESS = "pull_progress"  # commit: how far that is
    PULL = "pull"  # Engine: the image is fetched
    READY = "ready"  # commit: its image is there
    PREPARING = "preparing"  # commit: its source and environment are being made ready
    COMMIT_SETTLED = "commit_settled"  # commit: which commit a branch or tag is
    LOCK_SETTLED = "lock_settled"  # commit: which packages it runs with
    PUT_FILES = "put_files"  # Engine: files of a program are put into a container that nobody starts
    COMMIT_IMAGE = "commit_image"  # Engine: that becomes an image
    LAY_OUT_SECRETS = "lay_out_secrets"  # file: secrets are where the container will find them
    CREATE = "create"  # Engine: the container is made
    CREATED = "created"  # commit: the container's id
    UNMADE = "unmade"  # commit: it can never be started, and is made anew
    ATTACH = "attach"  # Engine: its output is joined
    START = "start"  # Engine: the container is started
    STARTED = "started"  # commit: it runs
    LOG_CHUNKS = "log_chunks"  # commit: output
    SAMPLES = "samples"  # commit: what it uses
    TELEMETRY = "telemetry"  # commit: what it tells by OpenTelemetry
    STOP = "stop"  # commit: its deadline has come
    KILL = "kill"  # Engine: a signal is sent
    EXIT = "exit"  # Engine: it has ended
    OUTPUT = "output"  # Engine: its output has ended
    FINISH = "finish"  # commit: outcome and bill
    RETRY = "retry"  # commit: outcome and bill of an attempt, another follows
    REMOVE = "remove"  # Engine: the container is removed
    CLEAR_SECRETS = "clear_secrets"  # file: its secrets are gone
    MARK_LOGS = "mark_logs"  # commit: output of ended runs is about to be deleted
    FORGET_LOGS = "forget_logs"  # commit: some of it is gone
    FORGET = "forget"  # commit: a deleted run is gone
    FORGET_EVENTS = "forget_events"  # commit: events are over age
    FORGET_KEYS = "forget_keys"  # commit: idempotency keys are over age
    CLOCK = "clock"  # commit: the host's clock was stepped, and timers with it
    IMPORT_SANDBOX = "import_sandbox"  # Engine: the image of sandboxes is made
    CREATE_SANDBOX = "create_sandbox"  # Engine: a sandbox is made
    START_SANDBOX = "start_sandbox"  # Engine: it is started
    REMOVE_SANDBOX = "remove_sandbox"  # Engine: it is removed
    REMOVE_IMAGE = "remove_image"  # Engine: an environment's image is removed
    CREATE_NETWORK = "create_network"  # Engine: runs have a network that keeps them apart
    REMOVE_NETWORK = "remove_network"  # Engine: it is removed
    ADD_VOLUME = "add_volume"  # commit: a volume is wanted
    CREATE_VOLUME = "create_volume"  # Engine: it is made
    KEEP_VOLUME = "keep_volume"  # commit: it is there, or could not be removed
    DISCARD_VOLUME = "discard_volume"  # commit: it is wanted no more
    REMOVE_VOLUME = "remove_volume"  # Engine: it is removed
    FORGET_VOLUME = "forget_volume"  # commit: it is gone
    CHANGE_WEBHOOK = "change_webhook"  # commit: a webhook is made, changed or deleted
    ASK_DELIVERY = "ask_delivery"  # commit: a test message, or one to be sent again, waits
    SEND_WEBHOOK = "send_webhook"  # HTTP: a receiver has answered a message, or has not
    NOTE_DELIVERY = "note_delivery"  # commit: what came of that
    FORGET_DELIVERIES = "forget_deliveries"  # commit: deliveries are over age
    AUDIT = "audit"  # commit: entries of the audit that go with no change of the store
    FORGET_AUDIT = "forget_audit"  # commit: entries of the audit are over age


def before(step: Step) -> None:
    """Die here if the environment says so: the step is ready, and has left no trace."""
    _pass(f"before:{step}")


def after(step: Step) -> None:
    """Die here if the environment says so: the step has left its trace, and nobody has been told."""
    _pass(f"after:{step}")


def effect(step: Step) -> Callable[[Effect[P, T]], Effect[P, T]]:
    """Mark a call that changes something outside the process as a step."""

    def marked(call: Effect[P, T]) -> Effect[P, T]:
        @wraps(call)
        async def passing(*args: P.args, **kwargs: P.kwargs) -> T:
            before(step)
            value = await call(*args, **kwargs)
            after(step)
            return value

        return passing

    return marked


class _Armed:
    """The one point at which this process shall die, and how many passages it has left."""

    def __init__(self, wish: str) -> None:
        self.point, _, count = wish.partition("#")
        self.passages = int(count or 1)


_armed = _Armed(os.environ.get(VARIABLE, ""))


def _pass(point: str) -> None:
    if point != _armed.point:
        return
    _armed.passages -= 1
    if _armed.passages == 0:
        os.kill(os.getpid(), signal.SIGKILL)
