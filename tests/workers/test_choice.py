"""Which runs a worker takes."""

from __future__ import annotations

from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from storage.due import DueJob
from workers.choice import Room, choose


def run(job_id: str, queue: str = "normal") -> FlowRun:
    return FlowRun(
        id=uuid4(), flow_id=uuid4(), parameters={"job_id": job_id} if job_id else {}, work_queue_name=queue, name=job_id
    )


def job(job_id: str, owner: str = "default", *, suspect: bool = False, model: str = "m") -> DueJob:
    return DueJob(job_id, owner, model, suspect)


def named(runs: list[FlowRun]) -> list[str]:
    return [run.name for run in runs]


def test_the_first_ones_are_taken_as_far_as_there_is_room() -> None:
    due = [run("a"), run("b"), run("c")]
    assert named(choose(due, {name: job(name) for name in "abc"}, Room(2), running={}).ordinary) == ["a", "b"]


def test_owners_take_turns_within_a_queue_but_not_across() -> None:
    due = [run("x", "express"), run("a"), run("b"), run("c")]
    jobs = {"x": job("x", "one"), "a": job("a", "one"), "b": job("b", "one"), "c": job("c", "two")}
    assert named(choose(due, jobs, Room(3), running={}).ordinary) == ["x", "c", "a"]
    assert named(choose(due, jobs, Room(3), running={"two": 5}).ordinary) == ["x", "a", "b"]


def test_suspects_have_a_place_of_their_own_also_when_nothing_else_fits() -> None:
    due = [run("a"), run("s"), run("t"), run("b")]
    jobs = {"a": job("a"), "s": job("s", suspect=True), "t": job("t", suspect=True), "b": job("b")}
    choice = choose(due, jobs, Room(2, 1), running={})
    assert (named(choice.ordinary), named(choice.suspects)) == (["a", "b"], ["s"])
    full = choose(due, jobs, Room(0, 1), running={})
    assert (named(full.ordinary), named(full.suspects)) == ([], ["s"])


def test_what_another_worker_is_warm_for_is_left_to_it() -> None:
    due = [run("a"), run("b")]
    jobs = {"a": job("a", model="far"), "b": job("b", model="near")}
    choice = choose(due, jobs, Room(2), running={}, leave=lambda run, job: job.model == "far")
    assert (named(choice.ordinary), choice.left_to_others) == (["b"], 1)


def test_what_is_left_to_another_worker_keeps_its_room_from_less_urgent_runs() -> None:
    due = [run("urgent", "express"), run("near", "express"), run("low", "low"), run("lower", "low")]
    jobs = {"urgent": job("urgent", model="far"), **{name: job(name) for name in ("near", "low", "lower")}}

    def chosen(room: int) -> list[str]:
        return named(choose(due, jobs, Room(room), running={}, leave=lambda run, job: job.model == "far").ordinary)

    assert [chosen(room) for room in (1, 2, 3)] == [["near"], ["near"], ["near", "low"]]


def test_runs_of_no_job_are_taken_as_they_come() -> None:
    assert len(choose([run(""), run("gone")], {}, Room(2), running={}).ordinary) == 2


def test_runs_of_no_job_that_ran_before_run_alone() -> None:
    due = [run("", "normal"), run("gone", "normal"), run("a", "normal")]
    choice = choose(due, {"a": job("a")}, Room(3, 1), running={}, again=lambda run: run is not due[2])
    assert (choice.ordinary, choice.suspects) == ([due[2]], [due[0]])


def test_of_equals_who_was_served_the_longest_ago_goes_next() -> None:
    due = [run("a"), run("b"), run("c")]
    jobs = {"a": job("a", "one"), "b": job("b", "two"), "c": job("c", "three")}
    served = {"one": 3.0, "two": 2.0}
    assert named(choose(due, jobs, Room(2), running={}, served=served).ordinary) == ["c", "b"]


def test_what_limits_do_not_allow_is_passed_over() -> None:
    due = [run("a"), run("b"), run("c"), run("")]
    jobs = {"a": job("a"), "b": job("b", suspect=True), "c": job("c", model="free")}
    choice = choose(due, jobs, Room(3, 1), running={}, admit=lambda job: job.model == "free")
    assert (choice.ordinary, choice.suspects) == ([due[2], due[3]], [])


def test_beside_long_ones_there_is_room_for_those_that_must_not_wait_for_them() -> None:
    due = [run("a"), run("s", "low"), run("light", "low"), run("other", "low"), run("", "low")]
    jobs = {"a": job("a"), "s": job("s", suspect=True), "light": job("light"), "other": job("other")}

    def chosen(room: Room) -> list[str]:
        return named(
            choose(due, jobs, room, running={}, light=lambda run, job: run.name in ("light", "other")).ordinary
        )

    take = run("", "express")
    urgent = choose([take, *due], jobs, Room(0, 0, 1), running={}, light=lambda run, job: run.work_queue_name != "low")
    assert (urgent.ordinary, urgent.beside) == ([take], 1)
    assert chosen(Room(0, 0, 1)) == ["light"]
    assert chosen(Room(1, 0, 1)) == ["a", "light"]
    assert chosen(Room(0, 0, 2)) == ["light", "other"]
    assert chosen(Room(1, 0, 0)) == ["a"]
