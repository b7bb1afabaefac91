"""How an extra of this package is added to an installation."""

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import urlsplit
from urllib.request import url2pathname


def install_hint(extra: str) -> str:
    """The command that installs an extra, such as `serve`.

    It names the folder or wheel that the package was installed from, as no index has it; else that of the project.
    """
    try:
        origin = json.loads(distribution("multipl-moe").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {}
    url = urlsplit(origin.get("url", ""))
    if url.scheme != "file":
        return f"pip install -e '.[{extra}]' in the project's folder"
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}{shlex.quote(f'{url2pathname(url.path)}[{extra}]')}"
