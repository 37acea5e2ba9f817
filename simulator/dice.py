"""Chance that is a pure function of its key: the same in every process, on every machine."""

import hashlib

import numpy as np


def digest(*key: int | str) -> int:
    """64 bits that depend on every part of the key; never Python's `hash`, which is salted."""
    text = "|".join(map(str, key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def dice(*key: int | str) -> np.random.Generator:
    """A random generator that belongs to the key."""
    return np.random.Generator(np.random.PCG64(digest(*key)))


def share(*key: int | str) -> float:
    """One number in [0, 1) that belongs to the key; cheaper than `dice`."""
    return digest(*key) / 2**64
