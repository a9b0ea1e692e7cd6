--[[
How a reference reads: prefixes, delimiters, ranges and links, by the settings of the document (metadata).
A module of crossref.lua, which numbers the things referred to.
]]

local stringify = pandoc.utils.stringify

local PREFIXES = {
  fig = { name = "figPrefix", default = { "fig.", "figs." } },
  tbl = { name = "tblPrefix", default = { "tbl.", "tbls." } },
  lst = { name = "lstPrefix", default = { "lst.", "lsts." } },
  eq = { name = "eqnPrefix", default = { "eq.", "eqns." } },
  sec = { name = "secPrefix", default = { "sec.", "secs." } },
}

local M = { settings = {} } -- settings: metadata of the document

--- Kind of a label ("fig" for "fig:a"), or nil when it is none of ours.
function M.kind_of(label)
  local prefix = label:match("^(%a+):.")
  return prefix and PREFIXES[prefix] and prefix
end

--- The label that a citation refers to and whether it was written with a capital, or nil for a bibliography key.
function M.reference(citation)
  local label = citation.id:sub(1, 1):lower() .. citation.id:sub(2)
  if M.kind_of(label) then return label, label ~= citation.id end
  return nil
end

-- Settings ------------------------------------------------------------------------------------------------------------

--- A setting as inlines; `default` is a string.
local function inlines(value, default)
  if value == nil then return pandoc.Inlines(pandoc.Str(default)) end
  if pandoc.utils.type(value) == "Blocks" then return pandoc.utils.blocks_to_inlines(value) end
  if pandoc.utils.type(value) == "Inlines" then return value:clone() end
  return pandoc.Inlines(pandoc.Str(stringify(value)))
end

function M.setting(name, default)
  return inlines(M.settings[name], default)
end

local function is_set(name)
  return M.settings[name] == true or (M.settings[name] ~= nil and stringify(M.settings[name]) == "true")
end

--- `text` with its first letter in upper case.
local function capital(text)
  return pandoc.text.upper(pandoc.text.sub(text, 1, 1)) .. pandoc.text.sub(text, 2)
end

--- One of a list of prefixes: the first for one reference, the second for two, the last for all beyond.
local function choose(values, count)
  if #values == 0 then return pandoc.Inlines {} end
  return inlines(values[math.min(count, #values)])
end

--- Prefix of a group of `count` references, e.g. "figs."; capitalised prefixes have settings of their own.
local function prefix_for(kind, count, capitalised)
  local function configured(name)
    local value = M.settings[name]
    if value == nil then return nil end
    return pandoc.utils.type(value) == "List" and choose(value, count) or inlines(value)
  end
  local name = PREFIXES[kind].name
  local own = capitalised and configured(capital(name))
  if own then return own end
  local plain = configured(name) or choose(PREFIXES[kind].default, count)
  if not capitalised then return plain end
  return plain:walk { Str = function(str) return pandoc.Str(capital(str.text)) end }
end

-- References ----------------------------------------------------------------------------------------------------------

local function before(one, other)
  for level = 1, math.max(#one.index, #other.index) do
    local a, b = one.index[level] or 0, other.index[level] or 0
    if a ~= b then return a < b end
  end
  return false
end

--- True when `after` is the next number on the same level as `first`, and neither carries a suffix.
local function adjoins(first, after)
  if #first.index ~= #after.index or #first.suffix + #after.suffix > 0 then return false end
  for level = 1, #first.index - 1 do
    if first.index[level] ~= after.index[level] then return false end
  end
  return first.index[#first.index] + 1 == after.index[#after.index]
end

--- Sorted references without repeats.
local function distinct(refs)
  table.sort(refs, before)
  local out = pandoc.List()
  for _, ref in ipairs(refs) do
    if #out == 0 or out[#out].label ~= ref.label then out:insert(ref) end
  end
  return out
end

local function shown(ref, linked)
  local text = pandoc.Inlines(pandoc.Str(ref.text)) .. ref.suffix
  return linked and pandoc.Inlines(pandoc.Link(text, "#" .. ref.label)) or text
end

--- The numbers of a group, three and more in a row drawn together: a list of inlines, one for each number or range.
local function items(refs, linked)
  local out, first = pandoc.List(), 1
  while first <= #refs do
    local last = first
    while last < #refs and adjoins(refs[last], refs[last + 1]) do last = last + 1 end
    if last - first >= 2 then
      out:insert(shown(refs[first], linked) .. M.setting("rangeDelim", "-") .. shown(refs[last], linked))
    else
      for at = first, last do out:insert(shown(refs[at], linked)) end
    end
    first = last + 1
  end
  return out
end

local function delimiter(name)
  if M.settings[name] ~= nil then return inlines(M.settings[name]) end
  return pandoc.Inlines { pandoc.Str(","), pandoc.Space() }
end

local function join(parts)
  local out = parts[1]
  for at = 2, #parts do
    local name = #parts == 2 and "pairDelim" or at == #parts and "lastDelim" or "refDelim"
    out = out .. delimiter(name) .. parts[at]
  end
  return out
end

--- Consecutive citations with the same kind and prefix.
local function groups(citations, targets)
  local out = pandoc.List()
  for _, citation in ipairs(citations) do
    local label, capitalised = M.reference(citation)
    local suppressed = citation.mode == "SuppressAuthor"
    local key = table.concat({ M.kind_of(label), tostring(suppressed), stringify(citation.prefix) }, "|")
    if #out == 0 or out[#out].key ~= key then
      out:insert { key = key, kind = M.kind_of(label), capitalised = capitalised, suppressed = suppressed,
        prefix = citation.prefix, refs = pandoc.List() }
    end
    local target = targets[label]
    out[#out].refs:insert { label = label, index = target.index, text = target.text, suffix = citation.suffix }
  end
  return out
end

local function render_group(group)
  local count, linked = #group.refs, is_set("linkReferences")
  local whole = linked and is_set("nameInLink") and count == 1
  local numbers = join(items(distinct(group.refs), linked and not whole))
  local prefix, space = group.prefix, pandoc.Space()
  if #prefix == 0 then
    prefix, space = prefix_for(group.kind, count, group.capitalised), pandoc.Str("\u{a0}")
  end
  if not group.suppressed and #prefix > 0 then numbers = prefix .. { space } .. numbers end
  return whole and pandoc.Inlines(pandoc.Link(numbers, "#" .. group.refs[1].label)) or numbers
end

--- The inlines for a list of citations, all of which are in `targets` (label -> { index = {1, 2}, text = "1.2" }).
function M.render(citations, targets)
  local out = pandoc.Inlines {}
  for at, group in ipairs(groups(citations, targets)) do
    if at > 1 then out:extend { pandoc.Str(","), pandoc.Space() } end
    out:extend(render_group(group))
  end
  return out
end

return M
