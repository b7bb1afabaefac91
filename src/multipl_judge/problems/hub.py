"""Files of benchmarks from the hub, kept in its cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from multipl_judge.errors import ConfigError

_SECONDS_TO_ANSWER = 5.0
_cached_only: ContextVar[bool] = ContextVar("cached_only", default=False)


@contextmanager
def cached_files_only() -> Iterator[None]:
    """Within it `hub_file` looks into the hub's cache and does not try the network."""
    token = _cached_only.set(True)
    try:
        yield
    finally:
        _cached_only.reset(token)


def hub_answers() -> bool:
    """Whether the hub can be reached, known within seconds: a download tries again for half a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=_SECONDS_TO_ANSWER)
    except Exception:  # of the network, of its proxies, of being told to stay offline: all the same to us
        return False
    return True


def hub_file(repository: str, name: str, benchmark: str) -> Path:
    """A file of a dataset on the hub, downloaded once.

    Raises:
        ConfigError: it cannot be had; the message says how to use a local file.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cached = try_to_load_from_cache(repository, name, repo_type="dataset")
    if _cached_only.get() or not hub_answers():
        if isinstance(cached, str):
            return Path(cached)
        why = "no copy here" if _cached_only.get() else "no copy here, and the hub does not answer"
        raise ConfigError(f"{benchmark}: {why}; use a local one: {benchmark}:PATH")
    try:
        return Path(hf_hub_download(repository, name, repo_type="dataset"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as fault:
        reason = str(fault).strip().split("\n", 1)[0]
        raise ConfigError(
            f"{benchmark}: {name} of the hub's dataset {repository} cannot be downloaded ({reason}); "
            f"use a local one: {benchmark}:PATH"
        ) from fault
