# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The store of one process, held against a model that is too simple to be wrong."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from {{ cookiecutter.project_slug }}.core.cache import Namespace
from {{ cookiecutter.project_slug }}.core.cache.memory import ENTRY_BYTES, MemoryStore
from {{ cookiecutter.project_slug }}.core.cache.stores import Grant

SPACES = (Namespace("a", str), Namespace("b", str))
KEYS = st.sampled_from([f"k{n}" for n in range(8)])
MAX_ENTRIES, MAX_BYTES = 4, 4 * ENTRY_BYTES + 60


def done(work: Any) -> Any:
    """Return what a coroutine that never waits returns."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


class StoreMachine(RuleBasedStateMachine):
    """The model: a list of entries, the one used last at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.store = MemoryStore(
            max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES, clock=lambda: self.now
        )
        self.model: list[tuple[tuple[int, str], float, bytes]] = []

    def forget(self, *names: tuple[int, str]) -> None:
        self.model = [entry for entry in self.model if entry[0] not in names]

    @rule(space=st.integers(0, 1), key=KEYS, raw=st.binary(max_size=80), ttl=st.integers(1, 9))
    def write(self, space: int, key: str, raw: bytes, ttl: int) -> None:
        stored = done(self.store.write(SPACES[space], key, raw, ttl))
        self.forget((space, key))
        fits = len(raw) + len(f"a:1:{key}") + ENTRY_BYTES <= MAX_BYTES
        assert stored is fits
        if fits:
            self.model.append(((space, key), self.now + ttl, raw))
        while len(self.model) > MAX_ENTRIES or self.taken() > MAX_BYTES:
            self.model.pop(0)

    @rule(space=st.integers(0, 1), key=KEYS)
    def read(self, space: int, key: str) -> None:
        found = [entry for entry in self.model if entry[0] == (space, key)]
        raw = done(self.store.read(SPACES[space], key))
        self.forget((space, key))
        if found and found[0][1] > self.now and found[0][2] is not None:
            assert raw == found[0][2]
            self.model += found
        else:
            assert raw is None

    @rule(space=st.integers(0, 1), keys=st.lists(KEYS, max_size=3))
    def delete(self, space: int, keys: list[str]) -> None:
        done(self.store.delete(SPACES[space], *keys))
        self.forget(*((space, key) for key in keys))

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(space=st.integers(0, 1))
    def delete_namespace(self, space: int) -> None:
        done(self.store.delete_namespace(SPACES[space]))
        # They make room later; until then they can't be read, which expiry in the past stands for.
        self.model = [(n, -1.0 if n[0] == space else e, raw) for n, e, raw in self.model]

    @precondition(lambda self: self.model)
    @rule()
    def clear(self) -> None:
        assert done(self.store.clear()) == len(self.model)
        self.model = []

    def taken(self) -> int:
        return sum(len(raw) + len(f"a:1:{n[1]}") + ENTRY_BYTES for n, _, raw in self.model)

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.store) == len(self.model) <= MAX_ENTRIES
        assert self.store.size_bytes == self.taken() <= MAX_BYTES


StoreMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStoreAgainstItsModel = StoreMachine.TestCase


@pytest.mark.anyio
async def test_a_load_that_began_before_its_namespace_was_deleted_is_not_stored() -> None:
    store = MemoryStore(max_entries=10, max_bytes=10_000)
    for forget in (store.delete_namespace(SPACES[0]), store.clear()):
        grant = await store.lease(SPACES[0], "k")
        await forget
        assert isinstance(grant, Grant)
        assert not await store.fill(SPACES[0], "k", grant, b"v1", 60)
        assert await store.read(SPACES[0], "k") is None


def test_an_entry_takes_what_it_is_counted_for() -> None:
    store = MemoryStore(max_entries=10_000, max_bytes=10**9)

    async def fill() -> None:
        for n in range(2_000):
            await store.write(SPACES[0], f"key {n}", bytes(100), 60)

    tracemalloc.start()
    try:
        asyncio.run(fill())
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.7 < taken / store.size_bytes < 1.3
