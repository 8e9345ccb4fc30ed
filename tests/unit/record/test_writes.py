"""The write log, with integers for storages and lists for weak references."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import CodeType

import pytest

from gradsan.model.event import Access, SequenceNumber, Version
from gradsan.record.frames import Site
from gradsan.record.writes import (
    FIRST_SWEEP,
    FOLD_AT,
    GRAD_ENABLED,
    IS_VIEW,
    MAX_RUNS_PER_STORAGE,
    UNCOUNTED,
    WAITING,
    PendingWrite,
    WriteLog,
)

PLACE = compile("a\nb\nc\n", "place.py", "exec")
OTHER = compile("a\nb\nc\n", "other.py", "exec")


class Memory:
    """Storages that live and die, and how often their weak references were given back."""

    def __init__(self) -> None:
        self.dead: set[int] = set()
        self.released: list[int] = []
        self.n_given = 0
        self.log = WriteLog(is_dead=self.is_dead, release=self.release, locate=self.locate)

    def is_dead(self, weak: object) -> bool:
        assert isinstance(weak, list)
        return weak[0] in self.dead

    def locate(self, reference: object) -> tuple[int, object] | None:
        """A waiting write refers to its storage by a tuple."""
        assert isinstance(reference, tuple)
        (key,) = reference
        if key in self.dead:
            return None
        self.n_given += 1
        return key, [key, "held"]

    def release(self, weak: object) -> None:
        assert isinstance(weak, list)
        assert weak[1] == "held", "given back twice"
        weak[1] = "given back"
        self.released.append(weak[0])

    def write(
        self,
        key: int,
        after: int,
        *,
        number: int = 0,
        code: CodeType = PLACE,
        line: int = 1,
        operation: str = "add_",
        flags: int = GRAD_ENABLED,
        agent: Callable[[], object] | None = None,
        in_program: Site | None = None,
    ) -> None:
        self.n_given += 1
        write: PendingWrite = (
            key,
            [key, "held"],
            operation,
            after,
            number,
            next(self.log.orders),
            flags,
            (code, line, agent, in_program),
        )
        self.log.pending.append(write)


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_writes_from_one_place_are_one_run(memory: Memory) -> None:
    for n in range(100):
        memory.write(1, n + 1, number=n)
    log = memory.log.find(1)
    assert log is not None
    [run] = log.runs
    assert (run.n_times, run.first_before, run.last_after, run.first_number, run.last_number) == (100, 0, 100, 0, 99)
    assert len(memory.released) == 99


@pytest.mark.parametrize(
    "difference",
    [
        {"line": 2},
        {"code": OTHER},
        {"operation": "mul_"},
        {"flags": GRAD_ENABLED | IS_VIEW},
        {"agent": lambda: "relu"},
        {"in_program": Site(PLACE, -1, 9)},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_another_place_or_way_begins_another_run(difference: dict[str, object], memory: Memory) -> None:
    memory.write(1, 1)
    memory.write(1, 2, **difference)  # type: ignore[arg-type]
    memory.write(1, 3)
    log = memory.log.find(1)
    assert log is not None
    assert [(run.first_before, run.last_after) for run in log.runs] == [(0, 1), (1, 2), (2, 3)]


def test_equal_code_of_two_files_is_two_places(memory: Memory) -> None:
    assert PLACE.replace(co_filename="other.py") == OTHER
    memory.write(1, 1, code=PLACE)
    memory.write(1, 2, code=OTHER)
    log = memory.log.find(1)
    assert log is not None
    assert [run.site.span().path.endswith("place.py") for run in log.runs if run.site] == [True, False]


def test_storages_are_apart(memory: Memory) -> None:
    memory.write(1, 1)
    memory.write(2, 5)
    assert {int(log.key): log.runs[0].last_after for log in memory.log.living()} == {1: 1, 2: 5}
    assert memory.log.find(3) is None


def test_orders_are_those_of_writing(memory: Memory) -> None:
    memory.write(1, 1)
    memory.write(2, 1)
    step = memory.log.next_order()
    memory.write(1, 2, line=2)
    one, other = memory.log.find(1), memory.log.find(2)
    assert one is not None
    assert other is not None
    assert one.runs[0].last_order < other.runs[0].last_order < step < one.runs[1].last_order


def test_writes_after_a_version(memory: Memory) -> None:
    for version in range(1, 5):
        memory.write(1, version, number=10 * version, line=version % 2 + 1)
    log = memory.log.find(1)
    assert log is not None
    assert [run.last_after for run in log.writes_after(Version(2))] == [3, 4]
    assert [run.last_after for run in log.writes_after(Version(2), SequenceNumber(35))] == [4]
    assert [run.last_after for run in log.writes_after(Version(9))] == []


def test_a_loop_that_began_before_the_save_counts(memory: Memory) -> None:
    for version in range(1, 9):
        memory.write(1, version, number=version)
    log = memory.log.find(1)
    assert log is not None
    [run] = log.writes_after(Version(4), SequenceNumber(4))
    assert run.last_after == 8


def test_uncounted_writes_move_no_version(memory: Memory) -> None:
    memory.write(1, 1, flags=UNCOUNTED)
    log = memory.log.find(1)
    assert log is not None
    assert not log.runs[0].is_counted
    assert list(log.writes_after(Version(0))) == []


def test_access(memory: Memory) -> None:
    memory.write(1, 1, flags=IS_VIEW)
    memory.write(1, 2, flags=0)
    log = memory.log.find(1)
    assert log is not None
    assert [run.access for run in log.runs] == [Access.VIEW, Access.ITSELF]


def test_the_dead_cost_nothing(memory: Memory) -> None:
    for key in range(100):
        memory.write(key, 1)
        memory.dead.add(key)
    assert memory.log.living() == []
    assert sorted(memory.released) == list(range(100))


def test_what_dies_after_folding_is_swept(memory: Memory) -> None:
    for key in range(10):
        memory.write(key, 1)
    memory.log.fold()
    memory.dead.update(range(9))
    assert [int(log.key) for log in memory.log.living()] == [9]
    assert len(memory.released) == 9


def test_the_log_stays_in_proportion_to_what_lives(memory: Memory) -> None:
    for key in range(20 * FIRST_SWEEP):
        memory.write(key, 1)
        memory.dead.add(key - 10)
        if len(memory.log.pending) >= FOLD_AT:
            memory.log.fold()
        assert len(memory.log.storages) <= FIRST_SWEEP + FOLD_AT
    memory.log.clear()
    assert len(memory.released) == memory.n_given


def test_a_storage_keeps_its_youngest_runs(memory: Memory) -> None:
    n = 3 * MAX_RUNS_PER_STORAGE
    for version in range(n):
        memory.write(1, version + 1, line=version)
    log = memory.log.find(1)
    assert log is not None
    assert len(log.runs) <= MAX_RUNS_PER_STORAGE
    assert len(log.runs) + log.n_forgotten == n
    assert log.runs[-1].last_after == n


def test_clear_gives_every_weak_reference_back(memory: Memory) -> None:
    for key in range(10):
        memory.write(key, 1)
        memory.write(key, 2)
    memory.log.fold()
    memory.write(11, 1)
    memory.log.clear()
    assert len(memory.released) == memory.n_given
    assert memory.log.living() == []


def test_threads_lose_nothing_and_give_nothing_back_twice(memory: Memory) -> None:
    n_threads, n_writes = 4, 3000

    def work(thread: int) -> None:
        for n in range(n_writes):
            memory.write(thread, n + 1)
            if n % 7 == 0:
                memory.log.fold()

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [log.runs[0].n_times for log in memory.log.living()] == [n_writes] * n_threads
    memory.log.clear()
    assert len(memory.released) == n_threads * n_writes


def waiting(key: int, after: int) -> PendingWrite:
    return WAITING, (key,), "add_", after, 0, 0, GRAD_ENABLED, (PLACE, 1, None, None)


def test_a_waiting_write_is_located_when_it_is_folded() -> None:
    memory = Memory()
    memory.log.pending += [waiting(7, 1), waiting(8, 1), waiting(7, 2)]
    log = memory.log.find(7)
    assert log is not None
    assert [(run.first_before, run.last_after, run.n_times) for run in log.runs] == [(0, 2, 2)]
    assert memory.released == [7]  # the second reference to the same storage


def test_a_waiting_write_of_what_has_died_is_dropped() -> None:
    memory = Memory()
    memory.log.pending += [waiting(7, 1)]
    memory.dead.add(7)
    assert memory.log.find(7) is None
    assert not memory.log.pending
    assert memory.n_given == 0
