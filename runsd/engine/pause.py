"""The image of a sandbox: one program of a few instructions that waits to be killed, for each architecture.

It is put together here, so that no registry, compiler or shell is needed: an ELF file (System V ABI, chapters
4 and 5) with a single loadable segment, inside a tar archive that the Engine imports.
"""

import io
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

PATH = "/pause"

_LOADED_AT = 0x400000
_PAGE = 0x10000  # the largest page size of both architectures
_HEADERS = struct.Struct("<16sHHIQQQIHHHHHH IIQQQQQQ")
_IDENTITY = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
_EXECUTABLE, _VERSION, _LOAD, _READ_EXECUTE = 2, 1, 1, 5


@dataclass(frozen=True, slots=True)
class Machine:
    """An architecture: its number in an ELF file, and how its processors wait for ever."""

    number: int
    code: bytes


MACHINES: Mapping[str, Machine] = {
    # mov eax, 34 (pause); syscall; jmp to the first
    "amd64": Machine(62, bytes.fromhex("b822000000 0f05 ebf7")),
    # movz x0..x3, 0; movz x8, 73 (ppoll); svc 0; b to the first
    "arm64": Machine(
        183,
        struct.pack(
            "<7I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA
        ),
    ),
}
"""By the Engine's names of architectures. System call numbers: linux, arch/x86/entry/syscalls/syscall_64.tbl
and include/uapi/asm-generic/unistd.h."""


def program(machine: Machine) -> bytes:
    """Return the executable file."""
    size = _HEADERS.size + len(machine.code)
    head = _HEADERS.pack(
        _IDENTITY, _EXECUTABLE, machine.number, _VERSION,
        _LOADED_AT + _HEADERS.size, 64, 0, 0, 64, 56, 1, 0, 0, 0,
        _LOAD, _READ_EXECUTE, 0, _LOADED_AT, _LOADED_AT, size, size, _PAGE,
    )  # fmt: skip
    return head + machine.code


def archive(machine: Machine) -> bytes:
    """Return a root file system with the program and nothing else, as a tar archive."""
    content = program(machine)
    entry = tarfile.TarInfo(PATH.removeprefix("/"))
    entry.size, entry.mode = len(content), 0o555
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
