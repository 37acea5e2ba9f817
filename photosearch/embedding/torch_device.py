"""Chooses device and number format for torch, and says why."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    dtype: torch.dtype
    reason: str


@cache
def choose_device() -> Device:
    """A GPU where there is one; bf16 where the chip multiplies it faster than fp32."""
    if torch.cuda.is_available():
        has_bf16 = torch.cuda.is_bf16_supported()
        dtype = torch.bfloat16 if has_bf16 else torch.float32
        device = Device("cuda", dtype, f"GPU {torch.cuda.get_device_name()} found")
    else:
        flags = torch.cpu.get_capabilities()
        fast = [name for name in ("amx_bf16", "avx512_bf16") if flags.get(name)]
        dtype = torch.bfloat16 if fast else torch.float32
        device = Device("cpu", dtype, f"no GPU; {' and '.join(fast) or 'no bf16 instructions'}")
    log.info("device %s, dtype %s (auto: %s)", device.name, device.dtype, device.reason)
    return device


def autocast(device: Device) -> AbstractContextManager[object]:
    """Runs matrix products in the device's number format; a no-op for float32."""
    return torch.autocast(device.name, device.dtype, enabled=device.dtype != torch.float32)
