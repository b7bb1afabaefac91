"""Bad input is exit code 2 and a line for each problem, with no traceback, and nothing is written: verb by verb."""

import shlex

import pytest

_TWO = "--learn rust --keep python"
_BPB = "eval out --metric bpb"
_OF_HYBRID = "{hybrid} {corpus} out"
_PRACTICE = "--learn ruby --tasks own.jsonl --set corpus.decontaminate=none"
_LONG = "--set eval.window_tokens=2000 --set eval.tokens_per_file=2000"

_REFUSED: dict[str, dict[str, str | tuple[str, ...]]] = {
    "upcycle out": {
        "--base /no/such/folder": "/no/such/folder is neither a folder nor a GGUF file",
        "--base empty": "has no config.json",
        "--base {base} --layers last:9": "moe.experts.layers: 'last:9' outside the base's 3 layers; use last:1..3",
        "--set train.tokens": "--set: 'train.tokens' is not KEY=VALUE",
        "--set =3": "--set: '=3' is not KEY=VALUE",
        "--seed many": "Invalid value for '--seed'",
        "--zzz": "No such option: --zzz; see `multipl-moe upcycle --help`",
    },
    "corpus out --base {base}": {
        "--source ''": "--source: it is empty",
        "--source text.csv": "--source: text.csv is not a folder",
        "--source gone": "--source: gone is not a folder, archive, .jsonl or .parquet file, REPOSITORY@REVISION, "
        "hub:DATASET or `toolchains`; there is no file or folder of this name",
        "--source hub:@main": "--source: hub:@main is not a folder",
        "--source {sources} --learn ,": "learn: []",
        f"--source own.jsonl {_TWO}": "no column named text or content or code",
        "--learn tcl": "begin with `multipl-moe language tcl`",
        f"{_TWO} --set 'corpus.sources=[{{{{kind: folder, path: {{sources}}, held_out: true}}}}]'": (
            "rust: all 5 files are of held_out sources, none to learn from"
        ),
        f"{_TWO} --set 'corpus.sources=[{{{{kind: archive, path: .}}}}]'": "no archive (",
        f"{_TWO} --set 'corpus.sources=[{{{{kind: git, path: /path/to/project.git}}}}]'": (
            "corpus.sources.0: /path/to/project.git: no such folder; name one of yours"
        ),
    },
    f"corpus {250 * 'x'}": {"--base {base}": "x.partial: File name too long; choose a shorter one"},
    "language": {
        "rust": "the package knows it",
        "C#": "a name has lower-case letters",
        "other --kind scripts": "known: stdin, file, compiled, ml, vm",
        "other --extensions mine": "'mine': ",
        **{f"mine --output {name}": f"output: {name} must end in .yaml" for name in ("x.jsonl", "x", ".yaml")},
        "mine --output nowhere/mine.yaml": "nowhere is not a folder",
        "mine --kind vm": "edit it, or leave out --kind to try it",
        "mine": "own_languages has no mine; there are: none",
    },
    "train": {
        "none nothing out": ("model: none is not a folder", "corpus: nothing is not a folder"),
        f"smollm2-135m {{corpus}} out {_TWO}": "train.method experts needs a hybrid, which `multipl-moe upcycle` makes",
        f"{{base}} {{corpus}} out {_TWO}": "is not a hybrid (llama); run `multipl-moe upcycle` first",
        f"empty {{corpus}} out {_TWO}": "empty has no config.json",
        f"{{hybrid}} empty out {_TWO}": "rust has no tokens",
        f"{_OF_HYBRID} --tokens 0": "'--tokens'",
        f"{_OF_HYBRID} {_TWO} --tokens 100": "100 are less than one step reads, 512",
        f"{_OF_HYBRID} {_TWO} --tokens 1{26 * '0'}": "sequences are more than the 100,000,000 whose order can be",
        f"{_OF_HYBRID} {_TWO} --set train.skip_tokens={10**12}": "sequences are more than the 100,000,000 whose order",
        f"{_OF_HYBRID} {_TWO} --set train.method=dense": "is a hybrid; train.method dense trains its dense base",
        f"nobody {{corpus}} out {_TWO} --set train.method=lora": "nobody is neither a folder nor a GGUF file nor a hub",
        f"{{hybrid}} {{corpus}} mine --resume {_TWO}": "mine holds no run",
        f"{{hybrid}} {{corpus}} text.csv --resume {_TWO}": "text.csv is a file; choose a folder",
        f"{{hybrid}} {{corpus}} done --resume {_TWO}": "done holds a finished run",
        f"{{hybrid}} {{corpus}} begun --resume {_TWO}": "begun holds a run of another recipe (base: ",
    },
    "eval out": {
        "--metric rouge": "--metric: 'rouge' is not known; use pass, bpb or moved",
        "--metric bpb": ("--model: needed for bpb", "--corpus: needed for bpb"),
        "--metric moved": ("--model: needed for moved", "--corpus: needed for moved", "--against: needed for moved"),
        "--metric moved --model m --against b --corpus c --endpoint http://127.0.0.1:9/v1": "only for --metric pass",
        "--metric moved --model m --against b --corpus c --set eval.moved_share=0": "eval.moved_share: 0 leaves",
        "--metric bpb --model m --corpus c --reference": "--reference: only for --metric pass",
        "--metric bpb --model m --corpus c --languages rust --temperature 0 --resume": (
            "--languages, --temperature, --resume: only for --metric pass; leave that out (--learn and --keep choose"
        ),
        "--metric bpb --model m --corpus none": "corpus: none is not a folder",
        "": "give one of --model, --endpoint, --completions, --reference; what is to be evaluated?",
        "--model m --reference": "not --model and --reference",
        "--model m --corpus c": "--corpus: not for --metric pass",
        "--endpoint http://127.0.0.1:9/v1": "--endpoint, --endpoint-model: both or none",
        "--reference --set codegen.tell_language=both": "codegen.tell_language: both is about the domain gate of",
        "--reference --benchmark startr": "did you mean 'starter'?",
        "--reference --pass-at one": "--pass-at: 'one' is not a list of numbers",
        "--reference --chat": "--chat: references are no answers of a chat",
        "--reference --against x": "--against: references are compared with nothing",
        "--model m --pass-at 1,5": "pass@5 needs at least 5 samples of each problem, but there are 1",
    },
    _BPB: {
        "--model none --corpus {corpus}": "none is neither",
        f"--model {{hybrid}} --corpus empty {_TWO}": "empty",
        "--model {hybrid} --corpus {corpus} --learn go --keep python": (
            "python, rust; name them with --learn and --keep, or give --recipe"
        ),
        f"--model {{hybrid}} --corpus {{corpus}} --against nonsense {_TWO}": "nonsense is neither",
        f"--model {{hybrid}} --corpus {{corpus}} {_TWO} {_LONG}": "eval.window_tokens: 2000 tokens are more than",
    },
    "eval out --metric moved": {
        f"--model {{hybrid}} --corpus {{corpus}} --against nonsense {_TWO}": "nonsense is neither",
        "--model {hybrid} --corpus {corpus} --against {base} --learn rust --keep java": "rust; name them with --learn",
        f"--model {{hybrid}} --corpus {{corpus}} --against {{base}} {_TWO} {_LONG}": "eval.window_tokens: 2000",
    },
    "export": {
        "{hybrid} out --metrics wrong.json": "restore or remove it",
        "{hybrid} out --anyway": "--anyway: it makes --merge write",
        "{hybrid} out --corpus .": "--corpus: only --merge measures on it",
        "{hybrid} out --set seed=1": "--set: only --merge measures by a recipe; add --merge, or leave it out",
        "{hybrid} out --merge --corpus nothing": "corpus: nothing is not a folder",
        "{hybrid} out --gguf": "--gguf: no program reads a hybrid as GGUF; add --native",
        "{hybrid} out --native": "--native: no architecture has segment-level experts",
        "{base} out --native": "--native: the model is not a hybrid (llama) but native already",
        "{hybrid} out --native --merge --corpus {corpus}": "--native: it writes another model than --merge",
        "{base} out --quantise Q8_0": "--quantise: only GGUF files are quantised; add --gguf",
        "{base} out --gguf --quantise Q8_0,Q3": "--quantise: 'Q3' is not one of Q8_0, Q6_K, Q4_K_M",
        "{hybrid} out --full-experts": "--full-experts: the model has no low-rank experts (moe.experts.type lora)",
        "{hybrid} out --max-shard-size 0": "--max-shard-size: '0' is not a size such as 500MB or 2GB",
        "{hybrid} out --max-shard-size 1GB --merge --corpus .": "--max-shard-size: a merged model is written",
        "none out --dtype int8 --metrics none --merge --max-shard-size x": (
            *("model: none is not a folder", "--dtype: 'int8' is not one of float32, bfloat16, float16"),
            *("--metrics: none is not a file", "--merge: needs --corpus FOLDER", "--max-shard-size: 'x'"),
        ),
        "empty out": "empty has no config.json",
        "{base} out --merge --corpus {corpus}": "--merge: the model is not a hybrid (llama)",
        "{hybrid} out --merge --corpus {corpus}": "has no expert_use.json",
    },
    "generate": {
        "none text": "model: none is not a folder, nor a base by name (smollm2-135m, ",
        "run text": "model: run is the folder of a run; give run/model",
        "{hybrid} text --layer 0": "--layer: it goes with --show-routing",
        "{hybrid} text --file text.csv": "given both as an argument and with --file",
        "{hybrid} --file none": "--file: none cannot be read",
        "{hybrid} --file binary": "--file: binary cannot be read",
        "{hybrid} ''": "prompt: it is empty",
        "{hybrid} text --chat": "no chat template",
        "{hybrid} text --suffix x": "suffix: this model's tokenizer has no tokens",
        "{hybrid} text --chat --suffix x": "--suffix: it does not go with --chat",
        "{hybrid} \udcff": "prompt: it is not UTF-8 text",
        "{hybrid} text --suffix \udcff": "--suffix: it is not UTF-8 text",
        "{base} text --show-routing": "is dense; it has no routers",
        "{hybrid} text --max-new-tokens 9999": "--max-new-tokens 9999 are more than",
        "{hybrid} text --top-p 0": "--top-p: 0 leaves no token to draw",
        "{hybrid} text --top-p 2": "Invalid value for '--top-p'",
        "{hybrid} text --temperature inf": "Invalid value for '--temperature'",
    },
    "inspect": {
        "{hybrid}": "not a corpus",
        "none": "corpus: none is not a folder",
        "{corpus} --output mine": "mine exists",
        "{corpus} --output none/page.html": "none is not a folder",
    },
    "practice": {
        f"out {_PRACTICE}": "give --model or --endpoint",
        f"out --model m --endpoint http://x/v1 --endpoint-model m {_PRACTICE}": "give one of --model and --endpoint",
        f"out --endpoint ftp://x --endpoint-model m {_PRACTICE}": "'ftp://x' is no address, such as http://HOST/v1",
        f"out --endpoint http://x/v1 {_PRACTICE}": "--endpoint, --endpoint-model: both or none",
        "out --model m": "name the tasks",
        f"out --model m {_PRACTICE} --rounds 2 --set practice.codegen.temperature=0.0 "
        "--set practice.codegen.num_samples=1": "at temperature 0",
        f"mine --model m {_PRACTICE}": "holds no practice",
    },
    "compare": {"out nowhere.yaml": "cannot read the recipe"},
    "doctor": {
        "--languages cobol": "--languages: cobol not known; known: python",
        "--languages tcl": "begin with `multipl-moe language tcl`",
        "--model {hybrid}": "--model: only with --plan",
        "--memory 24GB": "--memory: only with --plan",
    },
    "doctor --plan": {
        "none.yaml": "cannot read the recipe",
        "compared.yaml --model {hybrid}": "compared.yaml is a comparison",
        "mine.yaml --device cuda": "--device: say with --memory",
        "mine.yaml --memory 24": "--memory: '24' is not a size",
        "mine.yaml --languages rust": "--languages: not with --plan",
        "mine.yaml --unsafe-no-sandbox": "--unsafe-no-sandbox: not with",
        "mine.yaml --base {base} --set train.optimizer=adamw_8bit": "adamw_8bit needs a CUDA GPU",
        "mine.yaml --model {hybrid} --set train.method=dense": "is a hybrid; train.method dense cannot train it",
        "mine.yaml --model {base}": "is not a hybrid",
        "mine.yaml --set base=none.gguf": "none.gguf does not exist",
    },
    "serve": {
        "nothing": "nothing is not a folder",
        "empty --host 0.0.0.0 --port 0": "--token: needed on 0.0.0.0",
        "empty --host :: --port 0": "--token: needed on ::",
        "empty --host 0.0.0.0 --port 0 --token x": "has no config.json",
        "empty --host 'no such host'": "--host: 'no such host' is not an address",
        "empty --host 192.0.2.1 --port 0 --token x": "--port: 192.0.2.1:0 cannot be used",
        **{
            f"empty --token {token}": "--token: it must have visible ASCII characters"
            for token in ("''", "'two words'", "größer", "'line\nfeed'")
        },
    },
    "explore": {
        "nothing": "model: nothing is not a folder",
        "empty --host 'no such host'": "--host: 'no such host' is not an address",
        "empty --host 192.0.2.1 --port 0": "--port: 192.0.2.1:0 cannot be used",
    },
    "check http://127.0.0.1:9/v1": {
        "--canary wrong.json": "wrong.json: []: must be keys with values",
        "--canary missing.json": "missing.json",
        "--canary missing.json --token geh\xe9": "--token: it must have visible ASCII characters",
    },
    "demo --set 'corpus.sources=[{{kind: folder, path: {sources}}}]'": {
        **dict.fromkeys(("--minutes 0", "--minutes inf"), "'--minutes'"),
        "--tokens 1000000000000": "sequences are more than the 100,000,000 whose order can be drawn",
        "--tokens 1024": "fewer than 10 steps",
        "--set base=nonsense": "nonsense is neither",
        "--set train.method=lora": "train.method: lora trains the dense base",
        "--set base={base} --set moe.preset=causal --set train.quantise=nf4": "train.quantise: goes with one expert a",
    },
}


@pytest.mark.parametrize(
    ("command", "problems"),
    [(f"{verb} {flags}", problems) for verb, rows in _REFUSED.items() for flags, problems in rows.items()],
)
def test_bad_input_is_refused(refused, base, hybrid, sources, corpus, tmp_path, monkeypatch, command, problems):
    monkeypatch.delenv("MULTIPL_MOE_TOKEN", raising=False)
    for name in ("empty", "mine/model", "done", "begun"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "config.json").touch()
    (tmp_path / "text.csv").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "wrong.json").write_text("[]")
    (tmp_path / "done" / "training.json").write_text("{}")
    (tmp_path / "begun" / "recipe.yaml").write_text("seed: 5\n")
    (tmp_path / "mine.yaml").write_text("learn: [rust]\n")
    (tmp_path / "compared.yaml").write_text("tokens: 100\nmethods: {a: {title: a}}\n")
    (tmp_path / "own.jsonl").write_text(
        '{"id": "a", "language": "ruby", "prompt": "def f(n)\\n", "tests": "assert_equal(4, f(2))\\n"}\n'
    )
    words = shlex.split(command.format(base=base, hybrid=hybrid, sources=sources, corpus=corpus))
    problems = (problems,) if isinstance(problems, str) else problems
    told = refused(*words, num_problems=len(problems))
    assert [problem for problem in problems if problem not in told] == []
