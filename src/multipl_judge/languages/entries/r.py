"""R. Its numbers are doubles, so the nonce is computed in halves."""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Reference, Toolchain

# The exclusive or of two decimal texts, below 2^62: each in two halves of 31 bits, put together in base a million.
_XOR = r"""function(one, two) {
  halves <- function(text) {
    high <- 0
    low <- 0
    for (digit in as.numeric(strsplit(text, "")[[1]])) {
      low <- low * 10 + digit
      high <- high * 10 + low %/% 2147483648
      low <- low %% 2147483648
    }
    c(high, low)
  }
  both <- mapply(bitwXor, halves(one), halves(two))
  top <- both[1] %/% 1e6
  rest <- both[1] %% 1e6
  low <- rest * 483648 + both[2]
  middle <- top * 483648 + rest * 2147 + low %/% 1e6
  high <- top * 2147 + middle %/% 1e6
  sub("^0+(?=.)", "", sprintf("%.0f%06.0f%06.0f", high, middle %% 1e6, low %% 1e6), perl = TRUE)
}
"""
# The tests see the library and, of the completion, the function under test.
# The harness's names are in an environment that no `rm()` empties. At the end equality must be what it was.
_OPENING = r"""attach(list(
  .harness_local = local, .harness_scope = new.env(parent = parent.env(globalenv()))
), name = "harness")
.harness_local({
  .harness_state <- function() {
    found <- c(Filter(is.function, as.list(baseenv())), as.list(baseenv()[[".__S3MethodsTable__."]]))
    found <- found[grepl("^(all[.]equal|[=!]=|Ops|isTRUE|identical|stop)", names(found))]
    list(found[order(names(found))], lapply(c("==", "!=", "Compare", "Ops"), methods::findMethods))
  }
  .harness_before <- .harness_state()
  stopifnot <- function(...) {
    if (any(lengths(list(...)) == 0L)) stop("what is empty is not TRUE", call. = FALSE)
    base::stopifnot(...)
  }
}, .harness_scope)
"""
_GUARD = r"""
.harness_local({
$name <- get("$name", envir = globalenv())
"""
_ENDING = rf"""
$tests
differ <- function(one, two) !identical(one, two) && !isTRUE(all.equal(one, two)) && isTRUE(all.equal(one, one))
bites <- inherits(try(stopifnot($one == $two), silent = TRUE), "try-error")
same <- identical(.harness_before, .harness_state())
if (same && bites && differ($one, $two) && differ("$one", "$two") && differ(list($one), list($two))) {{
  cat("\nnonce ", ({_XOR})("$first", "$second"), "\n", sep = "")
}}
}}, .harness_scope)
"""
_RUN = ("{rscript}", "--vanilla", "--default-packages=methods,utils,stats", "-e")

ENTRY = Entry(
    Language(
        "R",
        (".r",),
        line_comment="#",
        block_comment=None,
        interpreters=("Rscript", "littler"),
        content_labels=("r",),
    ),
    Toolchain(
        executables={"rscript": ("/usr/bin/Rscript", "/usr/local/bin/Rscript")},
        version=("{rscript}", "--version"),
        run=(*_RUN, 'eval(parse(file("stdin")))'),
        script=(*_RUN, 'eval(parse("{folder}/program"))'),
        packages=("r-base-core",),
        folders=("/etc/R",),
        failed_assertion=r"(?:is not|are not all) TRUE$",
        uncompiled=r"^Error in parse\(",
        environment={"LC_ALL": "C.UTF-8"},
        reference=Reference(
            "twice <- function(x) {\n  BODY\n}\nstopifnot(twice(21) == 42)\n"
            f'cat("nonce ", ({_XOR})("FIRST", "SECOND"), "\\n", sep = "")\n',
            right="2 * x",
            wrong="x",
            early="quit(status = 0)",
        ),
    ),
    Harness(
        opening=_OPENING,
        guard=_GUARD,
        ending=_ENDING,
        stop=("\n}", "\n```"),
        closing="\n}\n",
        broken='  stop("broken on purpose")',
    ),
    comments=r"#[^\n]*+",
    literals=r"(?<!\\)\"(?:\\.|[^\"\\])*+\"|(?<!\\)'(?:\\.|[^'\\])*+'",
    definition=r"(?<![\w.]){name}\s*(?:<<?-|=)\s*(?:function\b|\\\()",
    word=r"[\w.]+",
    blocks=(r"\{", r"\}"),
    # What ends the program, and what runs only in a script.
    whole_changes=(
        (r"(?ms)^if\s*\((?:!\s*interactive\(\)|sys\.nframe\(\)[^()\n]*)\)\s*\{.*?^\}", ""),
        (r"(?m)^(?:q|quit)\((?:[^()]|\([^()]*\))*\)[^\n]*$", ""),
        (r"(?m)^main\(\)[^\n]*$", ""),
    ),
)
