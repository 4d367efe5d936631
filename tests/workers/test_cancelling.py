"""Who is ended by force, and when: with clocks that are set."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from workers.cancelling import Enforcer


@dataclass
class Scene:
    """Runs at work, what the database says of them, and who was killed."""

    runs: tuple[UUID, ...]
    cancelled: frozenset[str] = frozenset()
    over: dict[str, float] = field(default_factory=dict)
    killed: list[tuple[UUID, bool]] = field(default_factory=list)
    moment: float = 0.0

    async def stopping(self, names: list[str]) -> frozenset[str]:
        return self.cancelled & set(names)

    def kill_of(self, run_id: UUID, cause: str, *, overdue: bool = False) -> None:
        self.killed.append((run_id, overdue))

    def enforcer(self) -> Enforcer:
        async def runs(names: list[str]) -> dict[str, float]:
            return {name: seconds for name, seconds in self.over.items() if name in names}

        store: Any = SimpleNamespace(attempts=self, overtime=SimpleNamespace(runs=runs))
        return Enforcer(store, self, 5.0, (self,), lambda: self.moment)


async def test_a_run_has_a_grace_and_is_then_killed() -> None:
    run = uuid4()
    scene = Scene((run,), cancelled=frozenset({str(run)}))
    enforcer = scene.enforcer()
    for moment, killed in ((0.0, 0), (4.9, 0), (5.0, 1)):
        scene.moment = moment
        await enforcer.look()
        assert len(scene.killed) == killed
    assert scene.killed == [(run, False)]


async def test_a_clock_that_is_set_forward_ends_no_job_before_its_time() -> None:
    run, part = uuid4(), uuid4()
    scene = Scene((run, part))
    enforcer = scene.enforcer()
    await enforcer.look()
    scene.over = {str(run): 100.0, str(part): 0.0}  # the wall says that an hour has gone
    for moment in (10.0, 20.0, 99.0):
        scene.moment = moment
        await enforcer.look()
    assert {killed for killed, _ in scene.killed} == {part}
    for moment in (101.0, 106.0):
        scene.moment = moment
        await enforcer.look()
    assert scene.killed[-2:] == [(run, True), (part, True)]
