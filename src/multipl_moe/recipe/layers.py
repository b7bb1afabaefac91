"""Which decoder layers become hybrid: all, last:N, every:N or indices, as a list or with commas."""

from multipl_moe.errors import ConfigError


def resolve_layers(spec: str | list[int], num_layers: int) -> list[int]:
    """Layer indices, ascending, that `spec` means for a base of `num_layers` decoder layers.

    `every:N` takes each N-th layer counted from the last one.

    Raises:
        ConfigError: the specification cannot be read or leaves the range.
    """
    if isinstance(spec, str) and spec.replace(",", "").isdecimal():
        spec = [int(part) for part in spec.split(",") if part]
    if isinstance(spec, list):
        if outside := [index for index in spec if not 0 <= index < num_layers]:
            raise ConfigError(f"moe.layers: {outside} outside the base's layers 0..{num_layers - 1}")
        if not spec:
            raise ConfigError("moe.layers: the list is empty; name at least one layer")
        return sorted(set(spec))
    if spec == "all":
        return list(range(num_layers))
    kind, _, count = spec.partition(":")
    if kind not in ("last", "every") or not count.isdecimal():
        raise ConfigError(f"moe.layers: {spec!r} is not all, last:N, every:N or a list of indices")
    if not 1 <= int(count) <= num_layers:
        raise ConfigError(f"moe.layers: {spec!r} outside the base's {num_layers} layers; use {kind}:1..{num_layers}")
    if kind == "last":
        return list(range(num_layers - int(count), num_layers))
    return list(range(num_layers - 1, -1, -int(count)))[::-1]
