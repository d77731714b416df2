"""Workers: they say that they live, people see what each does, and a drained one takes nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studio import jobs, programs, tasks, workers
from studio.models import AuditEvent, Worker, WorkerProcess, Workspace
from vault.models import Upload

GONE = 2**22 + 1
"""A process id that no process has."""


@pytest.fixture
def gpu_worker(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """This process as a worker of the gpu queue."""
    monkeypatch.setattr(workers, "here", workers.Here())
    workers.introduce(label="gpu", queues=["gpu"], concurrency=1)
    workers.enter(beats=False)
    yield Worker.objects.get()
    workers.leave()


def make_upload(workspace: Workspace) -> Upload:
    return Upload.objects.create(workspace=workspace, dataset_name="d", file_name="f.csv")


def test_a_worker_writes_down_what_it_is(gpu_worker: Worker) -> None:
    assert (gpu_worker.label, gpu_worker.queues, gpu_worker.concurrency) == ("gpu", ["gpu"], 1)
    assert gpu_worker.machine == jobs.machine_name() and gpu_worker.host in gpu_worker.machine
    assert gpu_worker.code == workers.code_version()
    assert gpu_worker.processes.get().pid == os.getpid()


def test_a_process_that_is_no_worker_writes_nothing(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "here", workers.Here())
    workers.enter()
    assert not Worker.objects.exists()


def test_it_is_idle_then_working_and_what_it_does_is_named(gpu_worker: Worker, workspace: Workspace) -> None:
    assert workers.list_workers()[0].word == "idle"
    job = Upload.claim(make_upload(workspace).pk)
    view = workers.list_workers()[0]
    assert (view.word, view.tasks) == ("working", (job,))


def test_a_worker_that_says_nothing_is_silent_and_its_beat_brings_it_back(gpu_worker: Worker) -> None:
    Worker.objects.update(beat_at=timezone.now() - timedelta(minutes=2))
    assert workers.list_workers()[0].word == "silent"
    workers.beat()
    assert workers.list_workers()[0].word == "idle"


def test_a_beat_writes_a_lost_row_anew(gpu_worker: Worker) -> None:
    Worker.objects.all().delete()
    workers.beat()
    assert Worker.objects.get().processes.get().pid == os.getpid()


def test_a_drained_worker_takes_no_new_job_and_says_when_it_is_empty(gpu_worker: Worker, workspace: Workspace) -> None:
    job = Upload.claim(make_upload(workspace).pk)
    assert job is not None
    workers.drain(gpu_worker, by="ada")
    assert workers.list_workers()[0].word == "draining"
    second = make_upload(workspace)
    assert Upload.claim(second.pk) is None
    second.refresh_from_db()
    assert (second.state, second.attempt) == (jobs.State.PENDING, 0)
    job.heartbeat()
    job.finish(jobs.State.SUCCEEDED)
    assert workers.list_workers()[0].word == "drained"
    workers.undrain(gpu_worker)
    assert Upload.claim(second.pk) is not None


def test_a_drained_worker_is_still_drained_after_a_restart(gpu_worker: Worker) -> None:
    workers.drain(gpu_worker, by="ada")
    workers.leave()
    assert workers.list_workers()[0].word == "stopped"
    workers.enter(beats=False)
    assert workers.is_drained()
    assert workers.list_workers()[0].word == "drained"


def test_draining_one_worker_leaves_the_others_at_work(gpu_worker: Worker, workspace: Workspace) -> None:
    other = Worker.objects.create(machine="far", label="cpu", started_at=timezone.now(), beat_at=timezone.now())
    workers.drain(other, by="ada")
    assert Upload.claim(make_upload(workspace).pk) is not None


def test_the_reaper_forgets_killed_processes_and_takes_their_workers_leave(gpu_worker: Worker) -> None:
    WorkerProcess.objects.update(pid=GONE)
    tasks.reap()
    gpu_worker.refresh_from_db()
    assert not gpu_worker.processes.exists()
    assert gpu_worker.stopped_at is not None


def test_long_silent_workers_are_forgotten_unless_they_are_drained(gpu_worker: Worker) -> None:
    old = timezone.now() - workers.FORGET_AFTER - timedelta(hours=1)
    for label, drained in (("a", None), ("b", old)):
        Worker.objects.create(machine="far", label=label, started_at=old, beat_at=old, draining_since=drained)
    workers.tidy()
    assert set(Worker.objects.values_list("label", flat=True)) == {"gpu", "b"}


def test_slots_count_what_living_undrained_workers_do_at_once(gpu_worker: Worker) -> None:
    now = timezone.now()
    Worker.objects.create(machine="far", label="two", queues=["gpu"], concurrency=2, started_at=now, beat_at=now)
    Worker.objects.create(
        machine="far", label="dead", queues=["gpu"], started_at=now, beat_at=now - timedelta(minutes=5)
    )
    assert workers.slots("gpu") == 3
    workers.drain(gpu_worker, by="ada")
    assert workers.slots("gpu") == 2
    assert workers.slots("io") == 0
    Worker.objects.all().delete()
    assert workers.slots("gpu") is None


def test_the_beat_thread_ends_when_the_process_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "BEAT_SECONDS", 0.01)
    beats: list[int] = []
    seen = threading.Event()

    def count() -> None:
        beats.append(1)
        seen.set()

    monkeypatch.setattr(workers, "here", workers.Here(label="io", queues=("io",)))
    monkeypatch.setattr(workers, "beat", count)
    thread = threading.Thread(target=workers._beat_on, args=(workers.here.stop,))
    thread.start()
    assert seen.wait(5)
    workers.here.stop.set()
    thread.join(5)
    assert not thread.is_alive() and beats


def test_gpus_are_read_from_what_nvidia_smi_prints() -> None:
    text = "NVIDIA H100 80GB HBM3, 81559\nNVIDIA RTX A2000, 6138\nnonsense\n"
    assert list(workers.parse_gpus(text)) == [
        {"name": "NVIDIA H100 80GB HBM3", "memory_bytes": 81559 << 20},
        {"name": "NVIDIA RTX A2000", "memory_bytes": 6138 << 20},
    ]


def test_each_gpu_gets_a_worker_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert programs.gpu_workers(0) == programs.gpu_workers(1) == [("gpu", {})]
    assert programs.gpu_workers(2) == [
        ("gpu0", {"CUDA_VISIBLE_DEVICES": "0"}),
        ("gpu1", {"CUDA_VISIBLE_DEVICES": "1"}),
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert [env["CUDA_VISIBLE_DEVICES"] for _, env in programs.gpu_workers(2)] == ["3", "5"]


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_names_workers_jobs_and_other_code(
    gpu_worker: Worker, viewer_client: Client, workspace: Workspace, other_workspace: Workspace
) -> None:
    page = viewer_client.get(reverse("workers", args=["lab"])).text
    assert "Idle" in page and gpu_worker.host in page and "other code than" not in page
    assert "No worker takes jobs from cpu, io" in page
    mine, theirs = make_upload(workspace), make_upload(other_workspace)
    Upload.objects.filter(pk=theirs.pk).update(file_name="secret.csv")
    Upload.claim(mine.pk)
    Upload.claim(theirs.pk)
    Worker.objects.update(code="0.1.0+older")
    page = viewer_client.get(reverse("workers", args=["lab"]), headers={"HX-Request": "true"}).text
    assert mine.get_absolute_url() in page
    assert "a job of another workspace" in page and "secret.csv" not in page
    assert "other code than" in page and "<html" not in page


def test_without_workers_the_page_says_how_to_start_one(viewer_client: Client) -> None:
    assert "No worker has said that it lives" in viewer_client.get(reverse("workers", args=["lab"])).text


def test_an_owner_drains_and_lets_back_and_both_are_in_the_audit_trail(
    gpu_worker: Worker, owner: User, sign_in: Callable[[User], Client]
) -> None:
    client, where = sign_in(owner), reverse("worker_drain", args=["lab", gpu_worker.pk])
    assert "Drained, empty" in client.post(where, follow=True).text
    gpu_worker.refresh_from_db()
    assert gpu_worker.drained_by == owner.username
    assert "Idle" in client.post(where, {"back": "1"}, follow=True).text
    assert list(AuditEvent.objects.values_list("verb", flat=True)) == ["drained", "undrained"]


def test_only_an_owner_may_drain(gpu_worker: Worker, editor_client: Client, stranger_client: Client) -> None:
    where = reverse("worker_drain", args=["lab", gpu_worker.pk])
    assert editor_client.post(where).status_code == 403
    assert stranger_client.post(where).status_code == 404
    assert not workers.is_drained()
