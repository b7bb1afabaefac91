"""Running the stages of a corpus build as jobs of a Slurm cluster."""

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from datatrove.executor import SlurmPipelineExecutor

from multipl_moe.corpus.run.stages import Listeners, Stage, quiet
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.corpus import ExecutorSection

_POLL_S = 10.0
_JOBS_NAME = "slurm_jobs.json"


def run_on_slurm(
    stages: Sequence[Stage], executor: ExecutorSection, logs: Path, listeners: Listeners
) -> Generator[Stage]:
    """Submit all stages, each to start after the one before, and wait for them; a stage is yielded when it is done.

    The jobs go on when this process is stopped. Started again it waits for those that an earlier start has submitted,
    and submits what is left only when none of them is waiting or running.
    """
    jobs_file = logs / _JOBS_NAME
    if not (jobs_file.is_file() and _are_alive(json.loads(jobs_file.read_text()))):
        _submit(stages, executor, logs)
    for stage in stages:
        listeners.on_stage(stage.title)
        while stage.tasks_left(logs):
            listeners.tell(stage, logs)
            if not _are_alive(json.loads(jobs_file.read_text())):
                stage.require_done(logs)
                break
            time.sleep(_POLL_S)
        try:
            yield stage
        except GeneratorExit:  # what the stage made is of no use, so the later ones would be of none
            subprocess.run(["scancel", *json.loads(jobs_file.read_text())], capture_output=True)
            raise


def _submit(stages: Sequence[Stage], executor: ExecutorSection, logs: Path) -> None:
    assert executor.slurm is not None
    previous, jobs = None, []
    for stage in stages:
        with quiet(logs / stage.name):
            job = SlurmPipelineExecutor(
                list(stage.make_steps()),
                tasks=stage.num_tasks,
                time=executor.slurm.time,
                partition=executor.slurm.partition,
                cpus_per_task=executor.cpus,
                mem_per_cpu_gb=-(-executor.memory_gb // executor.cpus),
                workers=executor.workers or -1,
                job_name=f"corpus-{stage.name}",
                qos="",
                env_command=f'export PATH="{Path(sys.executable).parent}:$PATH"',
                # A job whose predecessor failed would wait for ever.
                sbatch_args={"kill-on-invalid-dep": "yes", **executor.slurm.options},
                depends=previous,
                logging_dir=str(logs / stage.name),
            )
            _launch(job)
        if job.job_id != -1:  # that of a stage with nothing left to do
            previous = job
            jobs.append(job.job_id)
        (logs / _JOBS_NAME).write_text(json.dumps(jobs))


def _launch(job: SlurmPipelineExecutor) -> None:
    try:
        job.launch_job()
    except FileNotFoundError:
        raise ConfigError(
            "corpus.executor.kind: slurm: no sbatch here; start the build where jobs are submitted, or use local"
        ) from None
    except subprocess.CalledProcessError as error:
        raise ConfigError(
            f"corpus.executor.slurm: sbatch refuses the job (exit code {error.returncode}, for the reason above); "
            "check partition, time and options"
        ) from None


def _are_alive(jobs: Sequence[str]) -> bool:
    if not jobs:
        return False
    command = ["squeue", "--noheader", "--format=%A", f"--jobs={','.join(jobs)}"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:  # that the scheduler does not answer means nothing; that it has forgotten them does
        return "invalid job id" not in answer.stderr.lower()
    return bool(answer.stdout.strip())
