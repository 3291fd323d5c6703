"""A shuffled order of 0, 1, ..., size - 1 that is computed, not stored.

It lists a space of any size (10^20 points and more) in random order, each point exactly once, and all one has to remember is
how far one has come. Use it wherever something is to be drawn without replacement and the search must be resumable from a
small state.

A Feistel network permutes pairs of half-words whatever its round function is (Luby & Rackoff 1988); numbers that fall outside
`range(size)` are sent through again until they fall inside ("cycle walking", Black & Rogaway 2002).
"""

from __future__ import annotations

import hashlib

ROUNDS = 8  # four do for large domains; for four numbers, all 24 orders are equally frequent with eight, not yet with six


class Permutation:
    """`Permutation(size, seed)[i]` is the i-th number of the order: a bijection of `range(size)` that the seed decides.

    Args:
        size: how many numbers, at least 1.
        seed: which order.

    Example:
        >>> sorted(Permutation(10, seed=0)) == list(range(10))
        True
    """

    def __init__(self, size: int, seed: int):
        self.size, self.seed = size, seed
        self._half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._half_bytes = (self._half_bits + 7) // 8
        self._mask = (1 << self._half_bits) - 1
        self._key = f"{seed}/{size}/".encode()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, position: int) -> int:
        if not 0 <= position < self.size:
            raise IndexError(f"position {position} of {self.size}")
        number = self._encrypt(position)
        while number >= self.size:  # the domain is less than four times as large, so this ends soon
            number = self._encrypt(number)
        return number

    def _encrypt(self, number: int) -> int:
        left, right = number >> self._half_bits, number & self._mask
        for turn in range(ROUNDS):
            left, right = right, left ^ self._mix(turn, right)
        return left << self._half_bits | right

    def _mix(self, turn: int, half: int) -> int:
        text = self._key + bytes([turn]) + half.to_bytes(self._half_bytes, "little")
        return int.from_bytes(hashlib.shake_256(text).digest(self._half_bytes), "little") & self._mask
