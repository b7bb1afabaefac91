local Queue = {}
Queue.__index = Queue

function Queue.new(size)
  local self = setmetatable({}, Queue)
  self.items = {}
  self.first, self.last = 1, 0
  self.size = size or math.huge
  return self
end

function Queue:push(value)
  if self.last - self.first + 1 >= self.size then
    return nil, "queue is full"
  end
  self.last = self.last + 1
  self.items[self.last] = value
  return true
end

function Queue:pop()
  if self.first > self.last then
    return nil
  end
  local value = self.items[self.first]
  self.items[self.first] = nil
  self.first = self.first + 1
  return value
end

function Queue:each()
  local index = self.first - 1
  return function()
    index = index + 1
    if index <= self.last then
      return index, self.items[index]
    end
  end
end

return Queue
local io, os, string, table = io, os, string, table
local pairs, ipairs, type, tostring, tonumber = pairs, ipairs, type, tostring, tonumber
local json = require "cjson"
local log = require("app.log")
local M = {}

local defaults = {
  host = "localhost",
  port = 8080,
  ["max-age"] = 60,
  debug = false,
}

local function trim(s)
  return (s:gsub("^%s+", ""):gsub("%s+$", ""))
end

local function split(s, separator)
  local parts = {}
  for part in string.gmatch(s, "[^" .. separator .. "]+") do
    parts[#parts + 1] = trim(part)
  end
  return parts
end


function M.load(path)
  local file, err = io.open(path, "r")
  if not file then
    error("can't open " .. path .. ": " .. tostring(err), 2)
  end
  local settings = {}
  for k, v in pairs(defaults) do
    settings[k] = v
  end
  for line in file:lines() do
    local key, value = line:match("^(%w+)%s*=%s*(.*)$")
    if key and value ~= "" then
      settings[key] = tonumber(value) or value
    elseif line:find("#", 1, true) ~= 1 then
      log.warn(("ignored: %s"):format(line))
    end
  end
  file:close()
  return settings
end

function M.dump(settings, indent)
  indent = indent or 0
  local names = {}
  for name in pairs(settings) do
    table.insert(names, name)
  end
  table.sort(names, function(a, b) return a < b end)
  local out = {}
  for i, name in ipairs(names) do
    local value = settings[name]
    if type(value) == "table" then
      out[i] = string.rep(" ", indent) .. name .. ":\n" .. M.dump(value, indent + 2)
    elseif type(value) == "string" then
      out[i] = string.format("%s%s = %q", string.rep(" ", indent), name, value)
    else
      out[i] = string.rep(" ", indent) .. name .. " = " .. tostring(value)
    end
  end
  return table.concat(out, "\n")
end

function M.merge(...)
  local result = {}
  for _, t in ipairs({...}) do
    for k, v in next, t do
      if type(v) == "table" and type(result[k]) == "table" then
        result[k] = M.merge(result[k], v)
      else
        result[k] = v
      end
    end
  end
  return result
end


function M.watch(path, callback)
  local ok, result = pcall(M.load, path)
  if not ok then
    return nil, result
  end
  local thread = coroutine.create(function()
    while true do
      local now = os.time()
      callback(result, now)
      coroutine.yield(now)
    end
  end)
  return function()
    if coroutine.status(thread) == "dead" then return false end
    local alive, value = coroutine.resume(thread)
    assert(alive, value)
    return value
  end
end

return M
local class = require("class")
local Shape = class("Shape")

function Shape:initialize(name, x, y)
  self.name = name
  self.x, self.y = x or 0, y or 0
  self._children = {}
end

function Shape:add(child)
  assert(child ~= self, "a shape can't hold itself")
  child.parent = self
  self._children[#self._children + 1] = child
  return self
end

function Shape:remove(child)
  for i = #self._children, 1, -1 do
    if self._children[i] == child then
      table.remove(self._children, i)
      child.parent = nil
      return true
    end
  end
  return false
end

function Shape:area()
  local sum = 0
  for _, child in ipairs(self._children) do
    sum = sum + child:area()
  end
  return sum
end


local Circle = class("Circle", Shape)

function Circle:initialize(radius, ...)
  Shape.initialize(self, "circle", ...)
  self.radius = radius
end

function Circle:area()
  return math.pi * self.radius ^ 2 + Shape.area(self)
end

function Circle:__tostring()
  return string.format("<circle %d at %g, %g>", self.radius, self.x, self.y)
end

describe("shapes", function()
  local root
  before_each(function()
    root = Shape:new("root")
  end)

  it("adds up areas", function()
    root:add(Circle:new(1)):add(Circle:new(2))
    assert.is_true(root:area() > 15.7)
    assert.are.equal(2, #root._children)
  end)

  it("fails for itself", function()
    assert.has_error(function() root:add(root) end)
  end)
end)

local counts = setmetatable({}, { __index = function(t, k) t[k] = 0 return 0 end, __mode = "k" })
for word in io.read("*a"):lower():gmatch("%a+") do
  counts[word] = counts[word] + 1
end
repeat
  local word, most = nil, -1
  for w, n in pairs(counts) do
    if n > most then word, most = w, n end
  end
  if word then
    print(most .. "\t" .. word)
    counts[word] = nil
  end
until not word
for i = 10, 1, -1 do
  if i % 2 == 0 and i ~= 4 then
    goto continue
  end
  io.write(i, i > 1 and ", " or "\n")
  ::continue::
end
