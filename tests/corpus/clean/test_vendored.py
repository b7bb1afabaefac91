from pathlib import Path

import pytest
from datatrove.data import Document

from multipl_moe.corpus.clean.vendored import VendoredFiles, vendored_part
from multipl_moe.corpus.read.candidates import source_name


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("me/project/vendor/golang.org/x/net/idna.go", "vendor"),
        ("me/project/third_party/zlib/inflate.cc", "third_party"),
        ("me/project/src/3rdparty/lz4/lz4.cpp", "3rdparty"),
        ("me/project/web/node_modules/left-pad/index.js", "node_modules"),
        ("me/project/node_modules/a.js", "node_modules"),
        ("me/project/pip/_vendor/urllib3/util.py", "_vendor"),
        ("me/project/tools/cpplint.py", "cpplint.py"),
        ("me/project/js/jquery-3.1.0.min.js", "jquery-3.1.0.min.js"),
        ("rows/a.jsonl#7/vendor/lib/x.rb", "vendor"),
    ],
)
def test_other_projects_code_is_told_by_its_path(path, part):
    assert vendored_part(path) == part


@pytest.mark.parametrize(
    "path",
    [
        "core_simd/src/src/vendor/x86.rs",  # the vendors of processors
        "vendor/mylib/src/lib.rs",  # the source itself lies below a folder called vendor
        "me/project/src/vendor.go",
        "me/project/vendoring/tool/main.go",
        "me/project/src/cmd/dist/build.go",
        "me/project/numeric/external/blas/blas.hpp",
        "rows/a.jsonl#7",
    ],
)
def test_a_projects_own_files_are_not_vendored(path):
    assert vendored_part(path) is None


@pytest.mark.parametrize(("root", "name"), [("/data", "_/data"), ("/", "_/_"), ("/srv/data", "srv/data")])
def test_a_source_below_the_root_has_a_name_as_long_as_any(root, name):
    assert source_name(Path(root)) == name
    assert vendored_part(f"{source_name(Path(root))}/vendor/lib/x.go") == "vendor"
    assert vendored_part(f"{source_name(Path(root))}/node_modules/x.js") == "node_modules"


def test_the_filter_names_the_reason_and_the_telling_part():
    document = Document(text="x", id="1", metadata={"language": "go", "path": "me/project/vendor/a/b.go"})
    assert VendoredFiles().filter(document) == (False, "vendored")
    assert document.metadata["detail"] == "vendor"
    assert (
        VendoredFiles().filter(Document(text="x", id="2", metadata={"language": "go", "path": "me/project/a.go"}))
        is True
    )
