"""Kubernetes quantities: processor time in millicores, memory in bytes, as exact integers."""

import re
from decimal import Decimal
from functools import lru_cache

_CPU = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(m?)", re.ASCII)
_MEMORY = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P|)", re.ASCII)
_UNIT = {
    "": 1,
    **{s: 1000**i for i, s in enumerate(("k", "M", "G", "T", "P"), start=1)},
    **{s: 1024**i for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), start=1)},
}
# docker: "Range of CPUs is from 0.01 to N", "Minimum memory limit allowed is 6MB".
MIN_CPU_MILLI = 10
MIN_MEMORY_BYTES = 6 * 1024**2
MAX_CPU_MILLI = 1_000_000
MAX_MEMORY_BYTES = 1024**5
# A run's quantities are read several times on its way, and those of very many runs are the same few.
_remembered = lru_cache(256, typed=True)


def cpu_milli(text: str | float) -> int:
    """Return the millicores of a cpu quantity such as ``"500m"``, ``"0.5"`` or ``4``.

    Raises ValueError, with the remedy in the message, for anything else.
    """
    return _cpu_milli(_checked(text))


def memory_bytes(text: str | float, *, minimum: int = MIN_MEMORY_BYTES) -> int:
    """Return the bytes of a memory quantity such as ``"512Mi"``, ``"8Gi"``, ``"1G"`` or ``1048576``.

    Raises ValueError, with the remedy in the message, for anything else.
    """
    return _memory_bytes(_checked(text), minimum)


@_remembered
def _cpu_milli(text: str | float) -> int:
    match = _CPU.fullmatch(_plain(text))
    if match is None:
        raise ValueError(f'{text!r} is not a cpu quantity; write cores ("0.5", "4") or "500m"')
    milli = Decimal(match[1]) * (1 if match[2] else 1000)
    if milli != milli.to_integral_value():
        raise ValueError(f"cpu {text!r} is finer than 1m; round it to a whole millicore")
    if not MIN_CPU_MILLI <= milli <= MAX_CPU_MILLI:
        raise ValueError(f'cpu must be between "10m" and "1000", not {text!r}')
    return int(milli)


@_remembered
def _memory_bytes(text: str | float, minimum: int) -> int:
    match = _MEMORY.fullmatch(_plain(text))
    if match is None:
        raise ValueError(
            f'{text!r} is not a memory quantity; write "512Mi", "8Gi", "1G" or a number of bytes'
        )
    size = Decimal(match[1]) * _UNIT[match[2]]
    if size != size.to_integral_value():
        raise ValueError(f"memory {text!r} is not a whole number of bytes")
    if not minimum <= size <= MAX_MEMORY_BYTES:
        raise ValueError(f'memory must be between {minimum} bytes and "1Pi", not {text!r}')
    return int(size)


def gpu_count(text: str | float) -> int:
    """Return a whole number of GPUs; raises ValueError for anything else."""
    plain = _plain(_checked(text))
    if not re.fullmatch(r"\d{1,3}", plain, re.ASCII):
        raise ValueError(f'{text!r} is not a number of GPUs; write "0", "1", …')
    return int(plain)


def format_cpu(milli: int) -> str:
    """Write millicores as cores: ``"4"`` or ``"0.5"``."""
    return format(Decimal(milli) / 1000, "f")


def format_bytes(size: int) -> str:
    """Write bytes for a person, in the largest binary unit that keeps one digit of interest."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _checked(value: str | float) -> str | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is neither a string nor a number")
    return value


def _plain(value: str | float) -> str:
    """Spell a JSON number without exponent; strings stay as they are."""
    if isinstance(value, float):
        return format(Decimal(str(value)), "f").removesuffix(".0")
    return str(value)
