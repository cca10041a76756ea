import datetime as dt
import subprocess
import sys

import pytest
from sqlalchemy import delete, func, select

from deciface.cases import Case, Patient
from deciface.errors import AccessError, InputError, StorageError
from deciface.store import tables
from deciface.store.engines import read, write
from deciface.store.jobs import JobQueue, JobState
from deciface.store.worker import Worker

CLAIMER = """
import datetime as dt, pathlib, sys
from deciface.store import engines
from deciface.store.jobs import JobQueue
url, name = sys.argv[1:]
engine = engines.postgres_engine(url) if "://" in url else engines.sqlite_engine(pathlib.Path(url))
queue = JobQueue(engine, clock=lambda: dt.datetime.now(dt.UTC))
while job := queue.claim(name):
    queue.finish(job)
    print(job.payload["number"])
"""


class Clock:
    """Goes on a millisecond each time it is looked at, and further when told to."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        self.now += dt.timedelta(milliseconds=1)
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(workspace, clock):
    return JobQueue(workspace.engine, clock=clock, stale_after_s=60, back_off_s=10)


def add(queue, kind: str = "encode", *, patients=("P1",), most_attempts: int = 3, **payload: object) -> str:
    return queue.enqueue(kind, payload, patient_ids=patients, owner="ann", most_attempts=most_attempts)


def state(queue, job_id: str) -> JobState:
    return {job.id: job.state for job in queue.jobs()}[job_id]


def test_jobs_are_claimed_oldest_first_and_once(queue):
    first, second = add(queue, photo="a"), add(queue, photo="b")
    one, two = queue.claim("w1"), queue.claim("w2")
    assert (one.id, two.id) == (first, second)
    assert (one.payload, one.owner, one.state, one.attempts) == ({"photo": "a"}, "ann", JobState.RUNNING, 1)
    assert (one.claimed_by, two.claimed_by) == ("w1", "w2")
    assert queue.claim("w3") is None


def test_a_worker_claims_the_kinds_it_knows(queue):
    add(queue, "train")
    encode = add(queue, "encode")
    assert queue.claim("w", kinds=["encode", "report"]).id == encode
    assert queue.claim("w", kinds=["encode", "report"]) is None
    assert queue.claim("w", kinds=[]) is None


def test_a_job_is_there_when_the_transaction_it_belongs_to_is_committed(workspace, queue):
    with pytest.raises(InputError):
        _enqueue_and_fail(workspace, queue)
    assert queue.jobs() == ()
    with write(workspace.engine) as connection:
        kept = queue.enqueue("encode", {}, patient_ids=["P1", "P2", "P1"], owner="ann", connection=connection)
    assert [job.id for job in queue.jobs()] == [kept]
    with read(workspace.engine) as connection:
        whose = connection.execute(select(tables.job_patients.c.patient_id)).scalars().all()
    assert sorted(whose) == ["P1", "P2"]


def _enqueue_and_fail(workspace, queue) -> None:
    with write(workspace.engine) as connection:
        queue.enqueue("encode", {}, patient_ids=["P1"], owner="ann", connection=connection)
        queue.enqueue("encode", {}, patient_ids=["P1"], owner="ann", connection=connection, most_attempts=0)


def test_a_job_without_attempts_is_refused(queue):
    with pytest.raises(InputError, match="a job with 0 attempts is never done; allow 1 or more"):
        add(queue, most_attempts=0)


def test_progress_is_seen_and_a_finished_job_stays_finished(queue):
    job_id = add(queue)
    job = queue.claim("w")
    assert queue.progress(job, 3, 12, message="photo 3 of 12")
    (seen,) = queue.jobs(states=[JobState.RUNNING])
    assert (seen.done, seen.total, seen.message) == (3, 12, "photo 3 of 12")
    assert queue.finish(job)
    assert state(queue, job_id) is JobState.DONE
    assert not queue.finish(job)
    assert not queue.progress(job, 4, 12)
    assert queue.fail(job, "too late", retry=True) is None
    assert queue.cancel(job_id) is JobState.DONE
    assert queue.claim("w") is None


def test_a_failed_job_waits_longer_each_time_and_fails_for_good(queue, clock):
    job_id = add(queue, most_attempts=3)
    for attempt, wait in ((1, 10), (2, 20)):
        job = queue.claim("w")
        assert job.attempts == attempt
        assert queue.fail(job, "disk full", retry=True) is JobState.WAITING
        clock.wait(wait - 1)
        assert queue.claim("w") is None
        clock.wait(2)
    assert queue.fail(queue.claim("w"), "disk full", retry=True) is JobState.FAILED
    clock.wait(7200)
    assert queue.claim("w") is None
    assert (state(queue, job_id), queue.jobs()[0].message) == (JobState.FAILED, "disk full")


def test_the_wait_grows_to_an_hour_at_most(queue, clock):
    add(queue, most_attempts=100)
    for _ in range(99):
        assert queue.fail(queue.claim("w"), "disk full", retry=True) is JobState.WAITING
        clock.wait(3601)
    assert queue.claim("w").attempts == 100


def test_what_no_retry_helps_fails_at_once(queue):
    job_id = add(queue)
    assert queue.fail(queue.claim("w"), "no such photo", retry=False) is JobState.FAILED
    assert state(queue, job_id) is JobState.FAILED


def test_the_job_of_a_dead_worker_is_claimed_again_and_the_late_one_changes_nothing(queue, clock):
    job_id = add(queue)
    late = queue.claim("w1")
    clock.wait(59)
    assert queue.heartbeat(late)
    clock.wait(59)
    assert queue.claim("w2") is None
    clock.wait(2)
    again = queue.claim("w2")
    assert (again.id, again.attempts) == (job_id, 2)
    assert not queue.heartbeat(late)
    assert not queue.finish(late)
    assert queue.fail(late, "late", retry=False) is None
    assert queue.finish(again)


def test_a_job_that_kills_its_workers_fails_after_its_last_attempt(queue, clock):
    job_id = add(queue, most_attempts=2)
    for _ in range(2):
        assert queue.claim("w").id == job_id
        clock.wait(61)
    assert queue.claim("w") is None
    assert (state(queue, job_id), queue.jobs()[0].message) == (JobState.FAILED, "its worker gave no sign of life")


def test_cancelling_stops_a_waiting_job_at_once_and_a_running_one_at_its_next_sign_of_life(queue):
    waiting, running = add(queue), add(queue)
    assert queue.cancel(waiting) is JobState.CANCELLED
    job = queue.claim("w")
    assert job.id == running
    assert queue.cancel(running) is JobState.RUNNING
    assert not queue.progress(job, 1, 2)
    assert queue.stop(job)
    assert state(queue, running) is JobState.CANCELLED
    with pytest.raises(InputError, match="job 'nowhere' is not in the queue; list the jobs first"):
        queue.cancel("nowhere")


def test_a_cancelled_job_of_a_dead_worker_is_not_done_again(queue, clock):
    job_id = add(queue)
    queue.claim("w")
    queue.cancel(job_id)
    clock.wait(61)
    assert queue.claim("w") is None
    assert state(queue, job_id) is JobState.CANCELLED


def test_a_worker_is_told_to_stop_when_its_job_was_erased(workspace, queue):
    add(queue)
    job = queue.claim("w")
    with write(workspace.engine) as connection:
        connection.execute(delete(tables.jobs))
    assert not queue.heartbeat(job)
    assert not queue.finish(job)


def test_two_processes_never_do_one_job_twice(workspace):
    queue = JobQueue(workspace.engine, clock=lambda: dt.datetime.now(dt.UTC))
    for number in range(40):
        add(queue, number=number)
    url = workspace.engine.url
    address = url.database if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", CLAIMER, address]
    processes = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in ("w1", "w2")]
    done = [process.communicate(timeout=120)[0].split() for process in processes]
    assert sorted(int(number) for number in done[0] + done[1]) == list(range(40))
    assert all(process.returncode == 0 for process in processes)
    with read(workspace.engine) as connection:
        states = connection.execute(select(tables.jobs.c.state, func.count()).group_by(tables.jobs.c.state)).all()
    assert [tuple(row) for row in states] == [("done", 40)]


def test_a_worker_does_every_ready_job_of_its_kinds(queue):
    seen = []

    def encode(job, report) -> None:
        for i in range(2):
            assert report.progress(i + 1, 2)
        assert report.heartbeat()
        seen.append(job.payload["photo"])

    for photo in "abc":
        add(queue, photo=photo)
    other = add(queue, "train")
    worker = Worker(queue, {"encode": encode}, name="w")
    assert worker.run_until_empty() == 3
    assert seen == ["a", "b", "c"]
    assert worker.run_one() is None
    assert {job.state for job in queue.jobs() if job.id != other} == {JobState.DONE}
    assert state(queue, other) is JobState.WAITING


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (InputError("no such photo"), JobState.FAILED, "no such photo"),
        (StorageError("the disk is full"), JobState.WAITING, "the disk is full"),
        (KeyError("Anna Example"), JobState.WAITING, "KeyError: a fault in the program"),
    ],
)
def test_what_a_handler_raises_is_the_jobs_failure(queue, error, expected, message):
    def fail(job, report) -> None:
        raise error

    job_id = add(queue)
    assert Worker(queue, {"encode": fail}, name="w").run_until_empty() == 1
    assert (state(queue, job_id), queue.jobs()[0].message) == (expected, message)


def test_a_handler_that_is_told_to_stop_leaves_a_cancelled_job(queue):
    done = []

    def encode(job, report) -> None:
        for i in range(5):
            if not report.progress(i, 5):
                return
            done.append(i)
            if i == 1:
                queue.cancel(job.id)

    job_id = add(queue)
    Worker(queue, {"encode": encode}, name="w").run_one()
    assert done == [0, 1]
    assert state(queue, job_id) is JobState.CANCELLED


def test_a_job_about_who_or_what_was_withdrawn_is_refused(workspace, queue):
    case = Case(Patient("P1", simulated=True))
    other = Case(Patient("P2", simulated=True))
    workspace.add_cases([case.with_photos([case.photo("P1-a")]), other.with_photos([other.photo("P2-c")])])
    workspace.withdraw("patient", "P1")
    workspace.withdraw("photo", "P2-c")
    for patients, payload, said in (
        (("P1",), {}, "patient 'P1'"),
        (("P2",), {"all": ["P2", {"P1": 1}]}, "patient 'P1'"),
        (("P2",), {"photo": "P1-a"}, "photo 'P1-a'"),
        (("P2",), {"photo": "P2-c"}, "photo 'P2-c'"),
    ):
        with pytest.raises(AccessError, match=f"^{said} was withdrawn; leave it out of the job$"):
            add(queue, patients=patients, **payload)
    assert queue.jobs() == ()
    add(queue, patients=("P2",), P1="a setting of that name")
    assert len(queue.jobs()) == 1
