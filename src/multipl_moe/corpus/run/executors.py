"""Running the stages of a corpus build with datatrove's executors: in processes of this machine, on Ray or on Slurm."""

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from accelerate.utils import patch_environment
from datatrove.executor import RayPipelineExecutor

from multipl_judge.extras import install_hint
from multipl_moe.corpus.run.forks import TaskExecutor, die_with_parent, run_in_forks
from multipl_moe.corpus.run.slurm import run_on_slurm
from multipl_moe.corpus.run.stages import Listeners, Stage, quiet, watched
from multipl_moe.errors import ConfigError, UserError
from multipl_moe.recipe.corpus import ExecutorSection
from multipl_moe.system.disk_errors import disk_errno


def run_stages(
    stages: Sequence[Stage], executor: ExecutorSection, logs: Path, listeners: Listeners
) -> Generator[Stage]:
    """Run the tasks that are not done yet, stage by stage; a stage is yielded when all of its tasks are.

    Raises:
        ConfigError: the executor cannot be used here.
        UserError: a task's.
        TasksUnfinishedError: a worker was killed, or tasks on a cluster ended for a reason that their logs do not tell.
    """
    run = {"local": _run_locally, "ray": _run_on_ray, "slurm": run_on_slurm}[executor.kind]
    return run(stages, executor, logs, listeners)


def _run_locally(
    stages: Sequence[Stage], executor: ExecutorSection, logs: Path, listeners: Listeners
) -> Generator[Stage]:
    for stage in stages:
        workers = min(executor.workers or _num_processors(), stage.num_tasks)
        listeners.on_stage(stage.title)
        with quiet(logs / stage.name):
            if workers > 1:
                with patch_environment(TOKENIZERS_PARALLELISM="false"):  # one thread for each of several tasks
                    run_in_forks(stage, workers, logs, listeners)
            else:
                with watched(stage, logs, listeners):
                    for task in stage.tasks_left(logs):
                        _run_here(stage, logs, task)
        yield stage


def _run_here(stage: Stage, logs: Path, task: int) -> None:
    try:
        TaskExecutor(stage, logs, task).run()
    except UserError:
        raise
    except Exception as error:
        if disk_errno(error) is None:
            stage.require_done(logs, [task])  # its log has the traceback
        raise


def _run_on_ray(
    stages: Sequence[Stage], executor: ExecutorSection, logs: Path, listeners: Listeners
) -> Generator[Stage]:
    with _ray_cluster(executor):
        for stage in stages:
            listeners.on_stage(stage.title)
            with quiet(logs / stage.name), watched(stage, logs, listeners):
                RayPipelineExecutor(
                    [die_with_parent, *stage.make_steps()],
                    tasks=stage.num_tasks,
                    workers=executor.workers or -1,
                    cpus_per_task=executor.cpus,
                    mem_per_cpu_gb=executor.memory_gb / executor.cpus,
                    logging_dir=str(logs / stage.name),
                ).run()
            stage.require_done(logs)  # Ray's executor only logs what went wrong in a task
            yield stage


@contextlib.contextmanager
def _ray_cluster(executor: ExecutorSection) -> Iterator[None]:
    """The cluster of RAY_ADDRESS, or one of this machine's processors for the time of the block."""
    try:
        import ray
    except ImportError:
        raise ConfigError(f"corpus.executor.kind: ray is not installed; {install_hint('ray')}, or use local") from None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" not in os.environ:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        at_a_time = executor.workers or _num_processors()
        options |= {
            "num_cpus": at_a_time * executor.cpus,
            "_memory": at_a_time * executor.memory_gb * 2**30,
            "include_dashboard": False,
        }
    ray.init(**options)
    try:
        yield
    finally:
        ray.shutdown()


def _num_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
