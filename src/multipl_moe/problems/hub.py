"""Files of benchmarks from the hub, kept in its cache."""

from pathlib import Path

from multipl_moe.errors import ConfigError


def hub_file(repository: str, name: str, benchmark: str) -> Path:
    """A file of a dataset on the hub, downloaded once.

    Raises:
        ConfigError: it cannot be had; the message says how to use a local file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, name, repo_type="dataset"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as fault:
        reason = str(fault).strip().split("\n", 1)[0]
        raise ConfigError(
            f"{benchmark}: {name} of the hub's dataset {repository} cannot be downloaded ({reason}); "
            f"use a local copy: {benchmark}:PATH"
        ) from fault
