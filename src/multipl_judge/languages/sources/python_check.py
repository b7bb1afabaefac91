"""Fails if the program on standard input does not parse, or the code does not that it holds as `harness..._code`."""

import ast
import re
import sys

source = sys.stdin.buffer.read()
compile(source, "<stdin>", "exec")
for line in ast.parse(source).body:
    if isinstance(line, ast.Assign) and re.fullmatch(r"harness\w*_code", ast.unparse(line.targets[0])):
        compile(ast.literal_eval(line.value), "<program>", "exec")
