"""Content fingerprints: what the bytes of a tensor are, read without an operation of the framework.

# NOTE [Fingerprints] The bytes are read where they lie: no operation that a mode could see, no random number, no
version, no wait for a device.  Up to `WHOLE_BYTES` all of them count; of larger ones `N_PIECES` pieces, spread evenly,
the first and the last among them, unless all are asked for.  A tensor on another device is hashed there; see `same`.
The bytes themselves are kept, at most `WHOLE_BYTES` a tensor: to compare them costs less than to hash them.
"""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Callable, Iterable
from ctypes import c_ubyte
from functools import lru_cache
from struct import Struct
from typing import Any

import torch

from gradsan.frameworks.torch.regions import PLAIN, REFUSALS, values_of

WHOLE_BYTES = 2048
N_PIECES = 16
PIECE_BYTES = 64
MAX_ROWS = 64
FULL_PIECE_BYTES = 1 << 20

_MEMORY = memoryview((c_ubyte * sys.maxsize).from_address(0)).cast("B")
"""The address space of the process: to read from it costs a fraction of `ctypes.string_at`."""

Reader = Callable[[memoryview, int], tuple[bytes, ...]]
"""Reads the pieces of a tensor that begins at an address."""

_data_ptr: Callable[[Any], int] = torch._C.TensorBase.data_ptr


def fingerprint(tensor: Any, *, is_full: bool = False) -> object:
    """Return what two readings of a tensor have in common while nothing writes to it; None where it can't be read."""
    if type(tensor) not in PLAIN:
        return None
    try:
        if not tensor.is_cpu:
            return None if tensor.is_meta else _hash_there(tensor)
        n_bytes, start = tensor.nbytes, _data_ptr(tensor)
        if is_full or not tensor.is_contiguous():
            return _of_pieces(tensor, start, is_full)
        if n_bytes == 0 or start == 0:  # a storage that was freed meanwhile (FSDP) has no address
            return None
        return _contiguous_reader(n_bytes)(_MEMORY, start)
    except REFUSALS:
        return _of_values(tensor, is_full)


def _of_values(tensor: Any, is_full: bool) -> object:
    """Return the fingerprint of the values of a sparse tensor; None for any other that refused."""
    with torch.no_grad(), torch._C._DisableTorchDispatch():
        values = values_of(tensor)
    return None if values is None else fingerprint(values, is_full=is_full)


def _of_pieces(tensor: Any, start: int, is_full: bool) -> object:
    if tensor.layout is not torch.strided or start == 0:
        return None
    shape, stride, item = tuple(tensor.shape), tensor.stride(), tensor.element_size()
    if 0 in shape:
        return None
    if is_full:
        return _whole(start, _pieces(shape, stride, item, is_full=True))
    return _strided_reader(shape, stride, item)(_MEMORY, start)


def same(one: object, other: object) -> bool:
    """Return whether two fingerprints are equal; waits for a device where they lie on one."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return bool(torch.equal(one, other))
    return one == other


def _whole(start: int, pieces: list[tuple[int, int]]) -> int:
    value = 0
    for at, n in pieces:
        for offset in range(0, n, FULL_PIECE_BYTES):
            value = zlib.crc32(_MEMORY[start + at + offset : start + at + min(n, offset + FULL_PIECE_BYTES)], value)
    return value


def _hash_there(tensor: Any) -> Any:
    with torch.no_grad(), torch._C.DisableTorchFunction():
        return torch.hash_tensor(tensor.detach())


@lru_cache(maxsize=4096)
def _contiguous_reader(n_bytes: int) -> Reader:
    if n_bytes <= WHOLE_BYTES:
        return _reader([(0, n_bytes)])
    return _reader([(at, PIECE_BYTES) for at in _spread(n_bytes, N_PIECES)])


@lru_cache(maxsize=4096)
def _strided_reader(shape: tuple[int, ...], stride: tuple[int, ...], item: int) -> Reader:
    return _reader(_pieces(shape, stride, item, is_full=False))


def _reader(pieces: list[tuple[int, int]]) -> Reader:
    """Return what reads pieces that ascend; where they overlap (``unfold``), each byte is read once."""
    form, at = "", 0
    for begin, n in pieces:
        end = begin + n
        if end > at:
            begin = max(begin, at)
            form += f"{begin - at}x{end - begin}s"
            at = end
    return Struct(form).unpack_from


@lru_cache(maxsize=4096)
def _pieces(shape: tuple[int, ...], stride: tuple[int, ...], item: int, *, is_full: bool) -> list[tuple[int, int]]:
    """Return (offset, length) in bytes of the pieces to read, ascending."""
    kept = sorted((step, size) for size, step in zip(shape, stride, strict=True) if size > 1 and step != 0)
    run = 1
    while kept and kept[0][0] == run:
        run *= kept.pop(0)[1]
    length = run * item
    rows = _rows(kept, item, None if is_full else MAX_ROWS)
    if is_full or length * len(rows) <= WHOLE_BYTES:
        return [(row, length) for row in rows]
    per_row = max(1, N_PIECES // len(rows))
    return [(row + at, min(PIECE_BYTES, length)) for row in rows for at in _spread(length, per_row)]


@lru_cache(maxsize=4096)
def _spread(length: int, n: int) -> tuple[int, ...]:
    last = max(0, length - PIECE_BYTES)
    if n == 1 or last == 0:
        return (0,)
    return tuple(sorted({at * last // (n - 1) for at in range(n)}))


def _rows(dimensions: list[tuple[int, int]], item: int, limit: int | None) -> list[int]:
    """Return the byte offsets at which the contiguous runs of a strided tensor begin, at most ``limit`` of them."""
    n_rows = math.prod(size for _, size in dimensions)
    chosen: Iterable[int] = range(n_rows)
    if limit is not None and n_rows > limit:
        chosen = [at * (n_rows - 1) // (limit - 1) for at in range(limit)]
    offsets = []
    for number in chosen:
        offset, rest = 0, number
        for step, size in dimensions:
            rest, index = divmod(rest, size)
            offset += index * step
        offsets.append(offset * item)
    return sorted(offsets)
