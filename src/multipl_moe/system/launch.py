"""How this process was started: alone, or as one of several by torchrun. Read from the environment, without torch."""

import os


def num_processes() -> int:
    """Processes of this run, over all machines; 1 where torchrun did not start it."""
    return int(os.environ["WORLD_SIZE"]) if "LOCAL_RANK" in os.environ else 1


def is_main() -> bool:
    """Whether this process is the one that prints and writes."""
    return num_processes() == 1 or os.environ["RANK"] == "0"
