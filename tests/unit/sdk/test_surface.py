"""Both clients offer the same, and what they offer is what the wire models say."""

import inspect
import subprocess
import sys
from typing import Any, get_type_hints

import pytest
import runsd_sdk
from runsd_sdk import (
    AsyncFunction,
    AsyncFunctionHandle,
    AsyncRunHandle,
    AsyncRunsClient,
    Function,
    FunctionHandle,
    RunHandle,
    RunsClient,
)
from runsd_sdk.async_keys import AsyncKeys
from runsd_sdk.async_projects import AsyncProjects
from runsd_sdk.async_secrets import AsyncSecrets
from runsd_sdk.async_tasks import AsyncTasks
from runsd_sdk.async_volumes import AsyncVolumes
from runsd_sdk.async_webhooks import AsyncWebhooks
from runsd_sdk.fields import SpecFields
from runsd_sdk.keys import Keys
from runsd_sdk.projects import Projects
from runsd_sdk.secrets import Secrets
from runsd_sdk.spec import RunSpec
from runsd_sdk.tasks import Tasks
from runsd_sdk.volumes import Volumes
from runsd_sdk.webhooks import Webhooks

PAIRS: list[tuple[type, type]] = [
    (RunsClient, AsyncRunsClient),
    (RunHandle, AsyncRunHandle),
    (FunctionHandle, AsyncFunctionHandle),
    (Function, AsyncFunction),
    (Volumes, AsyncVolumes),
    (Webhooks, AsyncWebhooks),
    (Secrets, AsyncSecrets),
    (Projects, AsyncProjects),
    (Keys, AsyncKeys),
    (Tasks, AsyncTasks),
]
AT_ONCE = {"with_options", "unwrap"}  # asks nobody


def surface(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize(("sync", "aio"), PAIRS)
def test_names_and_parameters_are_the_same(sync: type, aio: type) -> None:
    assert surface(sync).keys() == surface(aio).keys()
    for name, member in surface(sync).items():
        if isinstance(member, property):
            continue
        one, other = inspect.signature(member), inspect.signature(surface(aio)[name])
        assert list(one.parameters.values()) == list(other.parameters.values()), name


@pytest.mark.parametrize(("sync", "aio"), PAIRS)
def test_what_blocks_in_one_is_awaited_in_the_other(sync: type, aio: type) -> None:
    for name, member in surface(sync).items():
        other = surface(aio)[name]
        if isinstance(member, property) or name in AT_ONCE:
            continue
        streams = "Iterator[" in str(inspect.signature(member).return_annotation)
        assert inspect.iscoroutinefunction(other) is not streams, name
        if streams:
            assert "AsyncGenerator[" in str(inspect.signature(other).return_annotation)


def test_constructors_take_the_same() -> None:
    assert inspect.signature(RunsClient) == inspect.signature(AsyncRunsClient)


def test_keyword_arguments_are_the_fields_of_a_run_spec() -> None:
    assert set(get_type_hints(SpecFields)) == set(RunSpec.model_fields)


def test_every_public_name_can_be_imported() -> None:
    for name in runsd_sdk.__all__:
        assert getattr(runsd_sdk, name).__name__ == name
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = runsd_sdk.Nonsense


def test_using_a_name_loads_no_http_client_before_it_is_needed() -> None:
    code = "import sys, runsd_sdk; runsd_sdk.RunSpec; print('httpx2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
