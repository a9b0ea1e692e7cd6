--[[
Cross-references in pandoc-crossref syntax, for every output format.

Numbers captioned figures, tables, listings, labelled equations and sections, and turns citations such as
`[@fig:a; @fig:b]` into "figs. 1, 2". Written from the manual of pandoc-crossref; numbers and words are put into the
document itself, so that all formats say the same. Stricter than the original: whatever it cannot resolve ends pandoc
with an error that names the reference.
]]

local stringify = pandoc.utils.stringify

-- One kind of thing that can be referred to: the setting of its caption title, of its prefix, and their defaults.
local KINDS = {
  fig = { title = "figureTitle", title_default = "Figure", prefix = "figPrefix", prefixes = { "fig.", "figs." } },
  tbl = { title = "tableTitle", title_default = "Table", prefix = "tblPrefix", prefixes = { "tbl.", "tbls." } },
  lst = { title = "listingTitle", title_default = "Listing", prefix = "lstPrefix", prefixes = { "lst.", "lsts." } },
  eq = { prefix = "eqnPrefix", prefixes = { "eq.", "eqns." } },
  sec = { prefix = "secPrefix", prefixes = { "sec.", "secs." } },
}

-- Settings of the original that change its output and that this filter does not know.
local UNSUPPORTED = {
  "autoEqnLabels", "autoSectionLabels", "chapters", "codeBlockCaptions", "cref", "equationNumberTeX", "listings",
  "numberSections", "subfigGrid", "tableEqns", "figureTemplate", "tableTemplate", "listingTemplate",
  "figLabels", "tblLabels", "eqLabels", "lstLabels", "secLabels", "eqnIndexTemplate", "refIndexTemplate",
}

-- Why a label that stands in the text is no target, by the element that carries it.
local REASONS = {
  CodeBlock = "a listing needs an lst: label and a caption attribute",
  Div = "a label belongs on the caption, not on a div around it",
  Figure = "a figure needs a fig: label",
  Header = "the section is unnumbered, or its label does not start with sec:",
  Image = "a figure needs a fig: label, a caption and a paragraph of its own",
  Span = "an equation is labelled as $$ ... $$ {#eq:name}",
  Table = "a table needs a caption and a tbl: label",
}

local settings = {} -- metadata of the document
local targets = {}  -- label -> { index = {1, 2}, text = "1.2" }
local rejected = {} -- label -> reason
local problems = pandoc.List()
local counts = { fig = 0, tbl = 0, lst = 0, eq = 0 }
local section = {} -- counters of the open sections, outermost first

local function problem(message)
  if not problems:includes(message) then problems:insert(message) end
end

--- Kind of a label ("fig" for "fig:a"), or nil when it is none of ours.
local function kind_of(label)
  local prefix = label:match("^(%a+):.")
  return prefix and KINDS[prefix] and prefix
end

-- Settings ------------------------------------------------------------------------------------------------------------

--- A setting as inlines; `default` is a string.
local function inlines(value, default)
  if value == nil then return pandoc.Inlines(pandoc.Str(default)) end
  if pandoc.utils.type(value) == "Blocks" then return pandoc.utils.blocks_to_inlines(value) end
  if pandoc.utils.type(value) == "Inlines" then return value:clone() end
  return pandoc.Inlines(pandoc.Str(stringify(value)))
end

local function setting(name, default)
  return inlines(settings[name], default)
end

local function is_set(name)
  return settings[name] == true or (settings[name] ~= nil and stringify(settings[name]) == "true")
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
    local value = settings[name]
    if value == nil then return nil end
    return pandoc.utils.type(value) == "List" and choose(value, count) or inlines(value)
  end
  local name = KINDS[kind].prefix
  local own = capitalised and configured(capital(name))
  if own then return own end
  local plain = configured(name) or choose(KINDS[kind].prefixes, count)
  if not capitalised then return plain end
  return plain:walk { Str = function(str) return pandoc.Str(capital(str.text)) end }
end

-- Numbering -----------------------------------------------------------------------------------------------------------

local function add_target(label, index)
  if targets[label] then problem("duplicate label " .. label) end
  targets[label] = { index = index, text = table.concat(index, ".") }
end

--- Number the element with this label and return its number, or nil when the label is not of that kind.
local function number(label, kind)
  if kind_of(label) ~= kind then return nil end
  counts[kind] = counts[kind] + 1
  add_target(label, { counts[kind] })
  return targets[label].text
end

--- "Figure 1: " before a caption.
local function titled(kind, text, caption)
  local start = setting(KINDS[kind].title, KINDS[kind].title_default)
  start:extend { pandoc.Space(), pandoc.Str(text) }
  start:extend(setting("titleDelim", ":"))
  start:insert(pandoc.Space())
  return start .. caption
end

--- Put the title into the first paragraph of a caption.
local function title_caption(kind, text, caption)
  caption.long[1].content = titled(kind, text, caption.long[1].content)
end

local function has_caption(caption)
  return #caption.long > 0 and caption.long[1].content and #caption.long[1].content > 0
end

local function number_figure(figure)
  local text = has_caption(figure.caption) and number(figure.identifier, "fig")
  if not text then return nil end
  title_caption("fig", text, figure.caption)
  local only = #figure.content == 1 and figure.content[1]
  if only and only.content and #only.content == 1 and only.content[1].t == "Image" then
    only.content[1].caption = figure.caption.long[1].content -- the alternative text says the same
  end
  return figure
end

local function number_table(tbl)
  local text = has_caption(tbl.caption) and number(tbl.identifier, "tbl")
  if not text then return nil end
  title_caption("tbl", text, tbl.caption)
  return tbl
end

local function number_listing(code)
  local caption = code.attributes.caption
  local text = caption and number(code.identifier, "lst")
  if not text then return nil end
  local parsed = pandoc.utils.blocks_to_inlines(pandoc.read(caption, "markdown").blocks)
  local above = pandoc.Para(titled("lst", text, parsed))
  if FORMAT == "docx" then above = pandoc.Div({ above }, { ["custom-style"] = "Caption" }) end
  local attr = pandoc.Attr(code.identifier, pandoc.List { "listing" } .. code.classes)
  code.identifier, code.attributes.caption = "", nil
  return pandoc.Div({ above, code }, attr), false
end

local function number_section(header)
  if header.classes:includes("unnumbered") then return end
  for level = #section + 1, header.level do section[level] = 0 end
  for level = #section, header.level + 1, -1 do section[level] = nil end
  section[header.level] = section[header.level] + 1
  if kind_of(header.identifier) == "sec" then add_target(header.identifier, { table.unpack(section) }) end
end

--- Display math with its number: right-aligned where the format can, else after a wide space.
local function numbered_math(math, text)
  if FORMAT == "typst" then
    local open = "#[#set math.equation(numbering: _ => [(" .. text .. ")])\n"
    return pandoc.Inlines { pandoc.RawInline("typst", open), math, pandoc.RawInline("typst", "]") }
  end
  local tag = FORMAT == "latex" and "\\tag{" .. text .. "}" or "\\qquad{(" .. text .. ")}"
  math.text = math.text .. tag
  return pandoc.Inlines { math }
end

--- Length of the `{#eq:label}` that follows position `at` (2 with a space before it), and the label.
local function equation_label(list, at)
  local spaced = list[at + 1] and (list[at + 1].t == "Space" or list[at + 1].t == "SoftBreak")
  local length = spaced and 2 or 1
  local str = list[at + length]
  return length, str and str.t == "Str" and str.text:match("^{#(eq:[^%s{}]+)}$")
end

local function number_equations(list)
  local out, at = pandoc.Inlines {}, 1
  while at <= #list do
    local item = list[at]
    if item.t == "Math" and item.mathtype == "DisplayMath" then
      local length, label = equation_label(list, at)
      if label then
        item = pandoc.Span(numbered_math(item, number(label, "eq")), pandoc.Attr(label))
        at = at + length
      end
    end
    out:insert(item)
    at = at + 1
  end
  return out
end

--- Remember why a label of ours that stands somewhere in the text did not become a target.
local function reject(element)
  local label = element.identifier
  if kind_of(label) and not targets[label] then rejected[label] = REASONS[element.t] end
end

-- References ----------------------------------------------------------------------------------------------------------

--- The label that a citation refers to and whether it was written with a capital, or nil for a bibliography key.
local function reference(citation)
  local label = citation.id:sub(1, 1):lower() .. citation.id:sub(2)
  if kind_of(label) then return label, label ~= citation.id end
  return nil
end

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
      out:insert(shown(refs[first], linked) .. setting("rangeDelim", "-") .. shown(refs[last], linked))
    else
      for at = first, last do out:insert(shown(refs[at], linked)) end
    end
    first = last + 1
  end
  return out
end

local function delimiter(name)
  if settings[name] ~= nil then return inlines(settings[name]) end
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
local function groups(citations)
  local out = pandoc.List()
  for _, citation in ipairs(citations) do
    local label, capitalised = reference(citation)
    local suppressed = citation.mode == "SuppressAuthor"
    local key = table.concat({ kind_of(label), tostring(suppressed), stringify(citation.prefix) }, "|")
    if #out == 0 or out[#out].key ~= key then
      out:insert { key = key, kind = kind_of(label), capitalised = capitalised, suppressed = suppressed,
        prefix = citation.prefix, refs = pandoc.List() }
    end
    local target = targets[label]
    out[#out].refs:insert { label = label, index = target.index, text = target.text, suffix = citation.suffix }
  end
  return out
end

local function render(group)
  local count, linked = #group.refs, is_set("linkReferences")
  local whole = linked and is_set("nameInLink") and count == 1
  local prefix = group.prefix
  if #prefix == 0 then prefix = prefix_for(group.kind, count, group.capitalised) end
  local numbers = join(items(distinct(group.refs), linked and not whole))
  if not group.suppressed and #prefix > 0 then numbers = prefix .. { pandoc.Str("\u{a0}") } .. numbers end
  return whole and pandoc.Inlines(pandoc.Link(numbers, "#" .. group.refs[1].label)) or numbers
end

--- Note every reference without a target; true when there is one.
local function undefined(citations)
  local found = false
  for _, citation in ipairs(citations) do
    local label = reference(citation)
    if not targets[label] then
      found = true
      problem(("undefined reference %s: %s"):format(citation.id, rejected[label] or "nothing carries this label"))
    end
  end
  return found
end

local function resolve(cite)
  local ours = cite.citations:filter(reference)
  if #ours == 0 then return nil end
  if #ours < #cite.citations then
    problem(("%s: references and literature in one bracket, write two"):format(stringify(cite.content)))
    return nil
  end
  if undefined(cite.citations) then return nil end
  local out = pandoc.Inlines {}
  for at, group in ipairs(groups(cite.citations)) do
    if at > 1 then out:extend { pandoc.Str(","), pandoc.Space() } end
    out:extend(render(group))
  end
  return out
end

-- The filter ----------------------------------------------------------------------------------------------------------

--- Titles and abstracts stand outside the text, where nothing is numbered.
local function check_metadata(meta)
  local function refuse(cite)
    for _, citation in ipairs(cite.citations) do
      if reference(citation) then problem(citation.id .. ": no references in the title or other metadata") end
    end
  end
  pandoc.Pandoc({}, meta):walk { Cite = refuse }
  for _, name in ipairs(UNSUPPORTED) do
    if meta[name] ~= nil and stringify(meta[name]) ~= "false" then problem("the setting " .. name .. " is not supported") end
  end
end

function Pandoc(doc)
  settings = doc.meta
  check_metadata(doc.meta)
  local blocks = doc.blocks:walk {
    traverse = "topdown",
    Figure = number_figure,
    Table = number_table,
    CodeBlock = number_listing,
    Header = number_section,
    Inlines = number_equations,
  }
  blocks:walk { CodeBlock = reject, Div = reject, Figure = reject, Header = reject, Image = reject, Span = reject, Table = reject }
  blocks = blocks:walk { Cite = resolve }
  if #problems > 0 then
    io.stderr:write("crossref: " .. table.concat(problems, "\ncrossref: ") .. "\n")
    os.exit(1)
  end
  return pandoc.Pandoc(blocks, doc.meta)
end
