"""Lua. MultiPL-E's tests use luaunit; what they use of it stands here, out of the completion's reach."""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Reference, Toolchain

# luaunit's equality: by content, of tables that are keys too, with no metamethod of the completion's. `debug`, which
# finds locals without their names, is gone before the completion runs.
_OPENING = r"""local harness_lu, harness_assert, harness_write = {}, nil, nil
do
  local type, next, rawget, error, tostring, print_to = type, next, rawget, error, tostring, io.write
  local function equal(a, b)
    if type(a) ~= 'table' or type(b) ~= 'table' then return type(a) == type(b) and a == b end
    local taken = {}
    for k, v in next, b do
      if type(k) ~= 'table' then
        if not equal(rawget(a, k), v) then return false end
      else
        local found = nil
        for other, value in next, a do
          if type(other) == 'table' and not taken[other] and equal(other, k) and equal(value, v) then found = other end
        end
        if found == nil then return false end
        taken[found] = true
      end
    end
    for k in next, a do
      if type(k) ~= 'table' and rawget(b, k) == nil or type(k) == 'table' and not taken[k] then return false end
    end
    return true
  end
  function harness_lu.assertEquals(actual, expected)
    if not equal(actual, expected) then
      error('assertion failed! expected: ' .. tostring(expected) .. ', actual: ' .. tostring(actual), 2)
    end
  end
  harness_lu.equal, harness_assert, harness_write = equal, assert, print_to
  debug, package.loaded.debug = nil, nil
end
"""
_ENDING = r"""
$tests
if not harness_lu.equal($one, $two) and not harness_lu.equal({$one}, {$two}) and harness_lu.equal({$one}, {$one}) then
  harness_write('\nnonce ', $first ~ $second, '\n')
end
"""
_ANSWERS = r"""
local function harness_json(value)
  local parts = {}
  if type(value) == 'string' then
    local escape = function(letter) return string.format('\\u%04x', letter:byte()) end
    return '"' .. value:gsub('[%c"\\]', escape) .. '"'
  elseif type(value) == 'table' and #value == 0 and next(value) ~= nil then
    for key, one in pairs(value) do parts[#parts + 1] = harness_json(tostring(key)) .. ':' .. harness_json(one) end
    return '{' .. table.concat(parts, ',') .. '}'
  elseif type(value) == 'table' then
    for place = 1, #value do parts[place] = harness_json(value[place]) end
    return '[' .. table.concat(parts, ',') .. ']'
  end
  return value == nil and 'null' or math.type(value) == 'float' and string.format('%.17g', value) or tostring(value)
end
io.write('\n$mark', harness_json($call), '\n')
io.stdout:flush()
"""

ENTRY = Entry(
    Language(
        "Lua",
        (".lua", ".rockspec"),
        line_comment="--",
        block_comment=("--[[", "]]"),
        interpreters=("lua", "luajit"),
        content_labels=("lua",),
    ),
    Toolchain(
        executables={"lua": ("/usr/bin/lua5.[4-9]", "/usr/bin/lua", "/usr/local/bin/lua")},
        version=("{lua}", "-v"),
        run=("{lua}", "-"),
        script=("{lua}", "{folder}/program"),
        packages=("lua5.4",),
        failed_assertion=r"assertion failed!",
        uncompiled=r"^\S*lua[\w.]*: \S+:\d+: .* near (?:<eof>|'|<)",
        reference=Reference(
            "local function twice(x)\n  BODY\nend\n\nassert(twice(21) == 42)\nprint('nonce ' .. (FIRST ~ SECOND))\n",
            right="return 2 * x",
            wrong="return x",
            early="os.exit(0)",
        ),
    ),
    Harness(
        opening=_OPENING,
        guard="local lu, assert = harness_lu, harness_assert\n",
        ending=_ENDING,
        answers=_ANSWERS,
        stop=("\nend", "\n```"),
        closing="\nend\n",
        broken="  error('broken on purpose')",
        multipl_e=(
            (r"(?m)^lu = require\(['\"]luaunit['\"]\)[ \t]*$", ""),
            (r"(?m)^function (test\w*)\(", r"local function \1("),
            (r"(?m)^os\.exit\(lu\.LuaUnit\.run\(\)\)", "test_humaneval()"),
        ),
    ),
    comments=r"--\[(?P<level>=*+)\[(?:.*?\](?P=level)\]|.*)|--[^\n]*+",
    literals=r"(?<!\\)\"(?:\\.|[^\"\\\n])*+\"|(?<!\\)'(?:\\.|[^'\\\n])*+'|\[(?P<mark>=*+)\[(?:.*?\](?P=mark)\]|.*)",
    definition=r"\bfunction\s+{name}\s*\(|(?<![\w.:]){name}\s*=\s*function\b",
    blocks=(r"\b(?:function|do|if|repeat)\b", r"\b(?:end|until)\b"),
    whole_changes=(
        (r"(?ms)^return\b(?:(?!^\w).)*\Z", ""),  # a module's end, after which no test may stand
        (r"(?ms)^if\b[^\n]*(?:\barg\b|\bdebug\.getlocal\b)[^\n]*\bthen\b[ \t]*\n.*?^end\b", ""),  # for a script alone
        (r"(?m)^(?:os\.exit\(|main\(\))[^\n]*$", ""),
    ),
)
