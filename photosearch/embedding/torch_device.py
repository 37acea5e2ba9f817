"""Chooses device and number format for torch, and says why."""

import ctypes
import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import torch

log = logging.getLogger(__name__)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's <malloc.h>."""


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    dtype: torch.dtype
    reason: str


@cache
def choose_device() -> Device:
    """A GPU where there is one; bf16 where the chip multiplies it faster than fp32.

    On a CPU the process keeps the memory that torch frees, from here to its end.
    """
    if torch.cuda.is_available():
        has_bf16 = torch.cuda.is_bf16_supported()
        dtype = torch.bfloat16 if has_bf16 else torch.float32
        device = Device("cuda", dtype, f"GPU {torch.cuda.get_device_name()} found")
    else:
        flags = torch.cpu.get_capabilities()
        fast = [name for name in ("amx_bf16", "avx512_bf16") if flags.get(name)]
        dtype = torch.bfloat16 if fast else torch.float32
        device = Device("cpu", dtype, f"no GPU; {' and '.join(fast) or 'no bf16 instructions'}")
        _keep_freed_memory()
    log.info("device %s, dtype %s (auto: %s)", device.name, device.dtype, device.reason)
    return device


def autocast(device: Device) -> AbstractContextManager[object]:
    """Runs matrix products in the device's number format; a no-op for float32."""
    return torch.autocast(device.name, device.dtype, enabled=device.dtype != torch.float32)


def _keep_freed_memory() -> None:
    """Lets glibc keep what torch frees for the next step, docs/decisions.md 2; elsewhere a no-op.

    By default every large tensor is mapped anew and its pages are cleared by the kernel one by one.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
