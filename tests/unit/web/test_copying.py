"""What is copied from a page starts the same run, typed into a shell, a Python or a curl."""

import ast
import json
import os
import re
import shlex
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runsd_sdk import fields
from runsd_sdk.spec import RunSpec

from runsd.cli import runs
from runsd.web.copying import copied
from runsd.web.said import said
from tests.unit.sdk.answers import run_json

HOSTILE = """it's "$HOME" `id` $(id) \\ ; & | > < * ? ! # ~ \u202e\x1b[31m <b>"""
HOSTILE += "END\nEND\n <<'END'\n x"
TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
) | st.sampled_from([HOSTILE, "-d", "--", "--file", "@last", " ", "a=b:c", "%s"])
KEY = TEXT.filter(lambda key: key and "=" not in key)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda below: st.lists(below, max_size=2) | st.dictionaries(TEXT, below, max_size=2),
    max_leaves=4,
)
ARGS = st.lists(TEXT, min_size=1, max_size=3)
SECRET = st.from_regex(r"[A-Z][A-Z0-9_]{0,4}", fullmatch=True)
PATH = st.sampled_from(["/data", "/x y", "/a:b", "/-v", "/é"])
COMMON = {
    "name": st.sampled_from(["n", "-x", "two words", "'", "--file"]),
    "labels": st.dictionaries(st.sampled_from(["a", "a.b/c"]), st.sampled_from(["", "1=2"]), max_size=2),
    "env": st.dictionaries(KEY, TEXT, max_size=2),
    "secrets": st.lists(
        st.one_of(
            st.fixed_dictionaries({"name": SECRET}, optional={"env": SECRET, "path": SECRET}),
            SECRET,
        ),
        max_size=2,
    ),
    "resources": st.fixed_dictionaries({"requests": st.fixed_dictionaries({}, optional={
        "cpu": st.sampled_from(["1", "500m", 2, 0.5, 1e-2]),
        "memory": st.sampled_from(["512Mi", "7000k", "1G", 2**30, 1.5e9]),
        "gpu": st.sampled_from(["0", 0, "1", 2]),
    })}),
    "volumeMounts": st.lists(st.fixed_dictionaries(
        {"volumeId": st.sampled_from(["cache", "./x", "a:b", "-v"]), "mountPath": PATH},
        optional={"readOnly": st.booleans()},
    ), max_size=1),
    "timeoutSeconds": st.integers(1, 86_400) | st.sampled_from([60, 3600, 7200]),
    "stopGraceSeconds": st.sampled_from([0, 0.5, 1e-7, 10, 90, 600, 1.0]),
    "queueTtlSeconds": st.integers(1, 9),
    "retries": st.fixed_dictionaries({}, optional={
        "limit": st.integers(0, 10),
        "backoffSeconds": st.integers(0, 2),
        "on": st.sampled_from([[], ["lost"]]),
    }),
    "workdir": PATH,
    "user": st.sampled_from(["1000", "a:b"]),
    "network": st.sampled_from(["bridge", "none", "mine"]),
    "runtime": st.sampled_from(["runsc", "io.containerd.kata.v2"]),
    "pullPolicy": st.sampled_from(["missing", "always"]),
    "priority": st.integers(-2, 2),
    "shmSize": st.sampled_from(["64Mi", 2**20]),
}  # fmt: skip
IMAGE = st.sampled_from(["busybox", "registry:5000/a/b:1", "python:3.12-slim"])
FILE = st.sampled_from(["a.py", "dir/b c.py", "x:y.py", "-x.py"])
ENTRY = st.one_of(
    st.fixed_dictionaries({"file": FILE}, optional={"args": ARGS}),
    st.fixed_dictionaries({"module": st.sampled_from(["a", "a.b"])}, optional={"args": ARGS}),
    st.fixed_dictionaries(
        {"function": st.sampled_from(["a.py:f", "a.b:C.f"])},
        optional={
            "args": st.lists(JSON, max_size=2),
            "kwargs": st.dictionaries(TEXT | st.just("rate"), JSON, max_size=2),
        },
    ),
)
GIT = st.fixed_dictionaries(
    {"url": st.sampled_from(["https://h/x.git", "git@h:x", "ssh://me@h/x", "/srv/x", "https://h/a@b"])},
    optional={"ref": st.sampled_from(["main", "v1.0", "a'b"]), "secret": SECRET},
)
SOURCE = st.none() | st.just({"upload": f"src_{0:032}"}) | GIT.map(lambda git: {"git": git})
PYTHON = st.fixed_dictionaries({"entrypoint": ENTRY}, optional={
    "version": st.sampled_from(["3.8", "3.12"]),
    "dependencies": st.lists(st.sampled_from(["numpy>=2", "a @ https://h/x.whl", "x; a<'4'"]), max_size=2),
    "requirements": st.sampled_from(["requirements.txt", "a b/uv.lock"]),
})  # fmt: skip
IMAGES = st.fixed_dictionaries({"image": IMAGE}, optional={"command": ARGS, "args": ARGS, **COMMON})
PROGRAMS = st.fixed_dictionaries({"python": PYTHON}, optional={"image": IMAGE, "source": SOURCE, **COMMON})


def test_every_field_that_a_run_may_have_is_tried() -> None:
    fields = {field.alias or name for name, field in RunSpec.model_fields.items()}
    assert fields == {"image", "command", "args", "python", "source", *COMMON}


@st.composite
def specs(draw: st.DrawFn) -> RunSpec:
    """A run that could be asked for; ``full`` as a page of it has it, with what was not said."""
    given = draw(IMAGES | PROGRAMS)
    try:
        spec = RunSpec.model_validate_json(json.dumps(given))
    except ValueError:
        spec = RunSpec.model_validate_json(json.dumps({**given, "secrets": [], "env": {}}))
    if draw(st.booleans()):
        return RunSpec.model_validate_json(spec.model_dump_json(by_alias=True))
    return spec


class Ear(socketserver.ThreadingUnixStreamServer):
    """A server on a Unix socket that keeps what runs are asked for, and answers with one."""

    def __init__(self, path: str) -> None:
        super().__init__(path, _Request)
        self.path, self.heard, self.projects = path, list[bytes](), list[str | None]()


class _Request(BaseHTTPRequestHandler):
    server: Ear

    def do_POST(self) -> None:
        self.server.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.projects.append(self.headers["Runsd-Project"])
        answer = json.dumps(run_json()).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def ear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ear]:
    """Where the commands send what they ask for."""
    path = str(tmp_path_factory.mktemp("ear") / "s.sock")
    before = os.environ.get("RUNSD_HOST")
    os.environ["RUNSD_HOST"] = f"unix://{path}"
    with Ear(path) as ear:
        thread = threading.Thread(target=ear.serve_forever, args=(0.02,))
        thread.start()
        yield ear
        ear.shutdown()
        thread.join()
    del os.environ["RUNSD_HOST"]
    if before is not None:
        os.environ["RUNSD_HOST"] = before


def meant(spec: RunSpec) -> dict[str, Any]:
    """Return what a spec means, however it is written; what a host would fill in only where it was said."""
    found = spec.model_dump(mode="json", by_alias=True)
    asked = spec.resources.requests
    found["resources"] = [
        asked.cpu_milli if "cpu" in asked.model_fields_set else None,
        asked.memory_bytes if "memory" in asked.model_fields_set else None,
        asked.gpus,
    ]
    found["timeoutSeconds"] = spec.timeout_seconds if "timeout_seconds" in spec.model_fields_set else None
    if spec.python is None:
        del found["source"]
    elif "source" not in spec.model_fields_set:
        found["source"] = "the project's"
    if spec.python is not None and spec.image is None:
        found["image"] = spec.reference
    return found


def heard(text: str | bytes) -> dict[str, Any]:
    return meant(RunSpec.model_validate_json(text))


def test_what_is_too_long_to_be_pasted_is_not_laid_out() -> None:
    texts = copied(RunSpec(image="any", env={f"A{n}": "x" * 1000 for n in range(70)}), "unix:///run/s")
    assert texts.cli == texts.python == texts.curl
    assert texts.cli.startswith("# This is too long")


@given(spec=specs())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_command_line_asks_for_the_same_run(
    spec: RunSpec, ear: Ear, tmp_path_factory: pytest.TempPathFactory
) -> None:
    line, mark, document = copied(spec, "unix:///s").cli.rpartition(" <<'END'\n")
    words = shlex.split(line if mark else document)
    assert words[0] == "runs"
    if mark:
        file = tmp_path_factory.getbasetemp() / "document"
        file.write_text(document.removesuffix("\nEND"))
        words[words.index("/dev/stdin")] = str(file)
    ear.heard.clear()
    assert runs.execute([words[1], "--detach", *words[2:]]) == 0, repr(words) + document
    assert heard(ear.heard[-1]) == meant(spec)


@given(spec=specs())
@settings(max_examples=100, deadline=None)
def test_the_program_and_curl_ask_for_the_same_run(spec: RunSpec) -> None:
    texts = copied(spec, "https://host:8443", "mine")
    calls = [node for node in ast.walk(ast.parse(texts.python)) if isinstance(node, ast.Call)]
    create = next(
        each for each in calls if isinstance(each.func, ast.Attribute) and each.func.attr == "create"
    )
    keywords = {str(word.arg): ast.literal_eval(word.value) for word in create.keywords}
    assert heard(json.dumps(fields.run_spec(keywords))) == meant(spec)
    line, _, document = texts.curl.rpartition(" <<'END'\n")
    assert shlex.split(line)[:2] == ["curl", "https://host:8443/v1/runs"]
    assert heard(document.removesuffix("\nEND")) == meant(spec)


def test_a_shell_understands_them(ear: Ear) -> None:
    spec = RunSpec(image="a", command=["sh", "-c", HOSTILE], args=[HOSTILE], env={"A": HOSTILE})
    plain = RunSpec(image="a", args=[HOSTILE.encode("ascii", "ignore").decode().replace("\x1b", "")])
    texts = [copied(each, f"unix://{ear.path}", "mine") for each in (spec, plain)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for each in texts:
        for text in (each.cli.replace("runs run", "runs run -d", 1), each.curl):
            subprocess.run(
                ["sh", "-c", text], env={**os.environ, "PATH": path}, check=True, capture_output=True
            )
    assert [heard(each) for each in ear.heard[-4:]] == [meant(each) for each in (spec, spec, plain, plain)]
    assert ear.projects[-4:] == ["mine"] * 4


def test_what_goes_without_saying_is_not_said() -> None:
    spec = RunSpec(image="busybox", args=["echo", "it's"], timeout_seconds=5400)
    full = RunSpec.model_validate_json(spec.model_dump_json(by_alias=True))
    assert said(full) == {
        "image": "busybox",
        "args": ["echo", "it's"],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "timeoutSeconds": 5400,
    }
    texts = copied(full, "unix:///s")
    assert texts.cli == """runs run --cpus 1 --memory 1Gi --timeout 90m busybox -- echo 'it'"'"'s'"""
    assert "image='busybox'" in texts.python
    program = RunSpec.model_validate({"python": {"entrypoint": {"function": "a.py:f", "kwargs": {"x": "1"}}},
                                      "source": {"git": {"url": "https://h/x", "ref": "main"}}})  # fmt: skip
    assert copied(program, "unix:///s").cli == """runs py --git https://h/x@main --kwarg 'x="1"' a.py:f"""


def test_nothing_that_acts_on_a_terminal_is_pasted() -> None:
    spec = RunSpec(image="a", args=["\x1b]0;x\x07", "\u202e"], env={"A": "\r"})
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", copied(spec, "unix:///s").cli)
