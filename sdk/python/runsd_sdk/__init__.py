"""The Python SDK of runsd: ``RunsClient`` and ``AsyncRunsClient`` over one set of wire models.

Names are loaded when they are first used: a program that needs one model loads no HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runsd_sdk.async_client import AsyncRunsClient
    from runsd_sdk.async_function import AsyncFunction
    from runsd_sdk.async_handle import AsyncFunctionHandle, AsyncRunHandle
    from runsd_sdk.audit import AuditEntry
    from runsd_sdk.client import RunsClient
    from runsd_sdk.errors import (
        APIStatusError,
        BadRequest,
        Conflict,
        DaemonUnreachable,
        Forbidden,
        InvalidAddress,
        InvalidArguments,
        InvalidFolder,
        InvalidFunction,
        InvalidSignature,
        InvalidSpec,
        NotFound,
        RateLimited,
        RemoteException,
        RunCancelled,
        RunFailed,
        RunOutOfMemory,
        RunsdError,
        RunTimedOut,
        ServerError,
        TooLarge,
        Unauthorized,
        Unprocessable,
        WaitTimeout,
    )
    from runsd_sdk.function import Function
    from runsd_sdk.handle import FunctionHandle, RunHandle
    from runsd_sdk.host import Health, Info, Problem, Secret, Source, Usage, Volume
    from runsd_sdk.key import Key, KeyAccess, NewKey
    from runsd_sdk.project import Project, ProjectLimits
    from runsd_sdk.python import Entrypoint, GitSource, PythonSpec, SourceSpec
    from runsd_sdk.run import (
        BatchState,
        Event,
        LogEntry,
        Metrics,
        Phase,
        Queue,
        Reason,
        Run,
        RunList,
        RunResult,
        Status,
        Why,
    )
    from runsd_sdk.secret import SecretUse
    from runsd_sdk.spec import Requests, Resources, Retries, RunSpec, VolumeMount
    from runsd_sdk.task import (
        CatchUp,
        Hook,
        NewHook,
        Overlap,
        Schedule,
        ScheduleSpec,
        Task,
        TaskRun,
        TaskVersion,
    )
    from runsd_sdk.unwrapping import unwrap
    from runsd_sdk.webhook import Delivery, Webhook, WebhookEvent

_HOME = {
    "async_client": "AsyncRunsClient",
    "async_function": "AsyncFunction",
    "async_handle": "AsyncFunctionHandle AsyncRunHandle",
    "audit": "AuditEntry",
    "client": "RunsClient",
    "errors": "APIStatusError BadRequest Conflict DaemonUnreachable Forbidden InvalidAddress InvalidArguments"
    " InvalidFolder InvalidFunction InvalidSignature InvalidSpec NotFound RateLimited RemoteException"
    " RunCancelled RunFailed RunOutOfMemory RunTimedOut RunsdError ServerError TooLarge Unauthorized"
    " Unprocessable WaitTimeout",
    "function": "Function",
    "handle": "FunctionHandle RunHandle",
    "host": "Health Info Problem Secret Source Usage Volume",
    "key": "Key KeyAccess NewKey",
    "project": "Project ProjectLimits",
    "python": "Entrypoint GitSource PythonSpec SourceSpec",
    "run": "BatchState Event LogEntry Metrics Phase Queue Reason Run RunList RunResult Status Why",
    "secret": "SecretUse",
    "spec": "Requests Resources Retries RunSpec VolumeMount",
    "task": "CatchUp Hook NewHook Overlap Schedule ScheduleSpec Task TaskRun TaskVersion",
    "unwrapping": "unwrap",
    "webhook": "Delivery Webhook WebhookEvent",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "APIStatusError",
    "AsyncFunction",
    "AsyncFunctionHandle",
    "AsyncRunHandle",
    "AsyncRunsClient",
    "AuditEntry",
    "BadRequest",
    "BatchState",
    "CatchUp",
    "Conflict",
    "DaemonUnreachable",
    "Delivery",
    "Entrypoint",
    "Event",
    "Forbidden",
    "Function",
    "FunctionHandle",
    "GitSource",
    "Health",
    "Hook",
    "Info",
    "InvalidAddress",
    "InvalidArguments",
    "InvalidFolder",
    "InvalidFunction",
    "InvalidSignature",
    "InvalidSpec",
    "Key",
    "KeyAccess",
    "LogEntry",
    "Metrics",
    "NewHook",
    "NewKey",
    "NotFound",
    "Overlap",
    "Phase",
    "Problem",
    "Project",
    "ProjectLimits",
    "PythonSpec",
    "Queue",
    "RateLimited",
    "Reason",
    "RemoteException",
    "Requests",
    "Resources",
    "Retries",
    "Run",
    "RunCancelled",
    "RunFailed",
    "RunHandle",
    "RunList",
    "RunOutOfMemory",
    "RunResult",
    "RunSpec",
    "RunTimedOut",
    "RunsClient",
    "RunsdError",
    "Schedule",
    "ScheduleSpec",
    "Secret",
    "SecretUse",
    "ServerError",
    "Source",
    "SourceSpec",
    "Status",
    "Task",
    "TaskRun",
    "TaskVersion",
    "TooLarge",
    "Unauthorized",
    "Unprocessable",
    "Usage",
    "Volume",
    "VolumeMount",
    "WaitTimeout",
    "Webhook",
    "WebhookEvent",
    "Why",
    "unwrap",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
