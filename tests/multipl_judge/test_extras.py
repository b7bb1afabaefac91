"""An extra is installed from where the package came from, whatever folder one is in."""

import json
from importlib.metadata import PackageNotFoundError
from unittest.mock import Mock

import pytest

from multipl_judge import extras
from multipl_judge.extras import install_hint

_EDITABLE = {"url": "file:///home/me/my%20clone", "dir_info": {"editable": True}}
_FOLDER = {"url": "file:///srv/clone", "dir_info": {}}
_WHEEL = {"url": "file:///tmp/multipl_moe-0.1.0-py3-none-any.whl", "archive_info": {}}
_GIT = {"url": "https://example.org/multipl-moe.git", "vcs_info": {"vcs": "git"}}


@pytest.mark.parametrize(
    ("told", "command"),
    [
        (json.dumps(_EDITABLE), "pip install -e '/home/me/my clone[serve]'"),
        (json.dumps(_FOLDER), "pip install '/srv/clone[serve]'"),
        (json.dumps(_WHEEL), "pip install '/tmp/multipl_moe-0.1.0-py3-none-any.whl[serve]'"),
        (json.dumps(_GIT), "pip install -e '.[serve]' in the project's folder"),
        ("no JSON", "pip install -e '.[serve]' in the project's folder"),
        (None, "pip install -e '.[serve]' in the project's folder"),
    ],
    ids=["editable", "folder", "wheel", "git", "broken", "nothing"],
)
def test_the_command_names_what_the_package_was_installed_from(monkeypatch, told, command):
    monkeypatch.setattr(extras, "distribution", lambda name: Mock(read_text=lambda file: told))
    assert install_hint("serve") == command


def test_a_package_that_is_not_installed_is_told_of_as_a_project(monkeypatch):
    monkeypatch.setattr(extras, "distribution", Mock(side_effect=PackageNotFoundError("multipl-moe")))
    assert install_hint("hub") == "pip install -e '.[hub]' in the project's folder"
