"""The versions of transformers that the modeling code runs with, checked where an exported model is loaded.

Where this package is installed, its requirements see to that.
"""

import re

import transformers

OLDEST_VERSION = (5, 24)  # decoders before it call their cache by another name
FIRST_TOO_NEW_VERSION = (6, 0)


def require_supported_transformers(found: str = transformers.__version__) -> None:
    """Raise ImportError, in one line that says what to install, with a version that the modeling code is not for."""
    major, minor = (int(number) for number in re.findall(r"\d+", found)[:2])
    if not OLDEST_VERSION <= (major, minor) < FIRST_TOO_NEW_VERSION:
        needed = f"transformers>={OLDEST_VERSION[0]}.{OLDEST_VERSION[1]},<{FIRST_TOO_NEW_VERSION[0]}"
        raise ImportError(f"this model's code is for {needed}, and {found} is installed: pip install '{needed}'")
