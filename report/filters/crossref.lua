--[[
Cross-references in pandoc-crossref syntax, for every output format.

Numbers captioned figures, tables, listings, labelled equations and sections, and turns citations such as
`[@fig:a; @fig:b]` into "figs. 1, 2". Written from the manual of pandoc-crossref; numbers and words are put into the
document itself, so that all formats say the same. Stricter than the original: whatever it cannot resolve ends pandoc
with an error that names the reference.
]]

local references = dofile(pandoc.path.join { pandoc.path.directory(PANDOC_SCRIPT_FILE), "references.lua" })
local kind_of, reference, setting = references.kind_of, references.reference, references.setting
local stringify = pandoc.utils.stringify

-- What a caption of each kind starts with: the setting and its default.
local TITLES = {
  fig = { name = "figureTitle", default = "Figure" },
  tbl = { name = "tableTitle", default = "Table" },
  lst = { name = "listingTitle", default = "Listing" },
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

local targets = {} -- label -> { index = {1, 2}, text = "1.2" }
local rejected = {} -- label -> reason
local problems = pandoc.List()
local counts = { fig = 0, tbl = 0, lst = 0, eq = 0 }
local section = {} -- counters of the open sections, outermost first

local function problem(message)
  if not problems:includes(message) then problems:insert(message) end
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
  local start = setting(TITLES[kind].name, TITLES[kind].default)
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

--- Note every reference without a target; true when there is one.
local function undefined(citations)
  local found = false
  for _, citation in ipairs(citations) do
    local label = reference(citation)
    if not targets[label] then
      found = true
      local reason = rejected[label] or "nothing carries this label"
      local written = label ~= citation.id and " (written @" .. citation.id .. ")" or ""
      problem(("undefined reference %s%s: %s"):format(label, written, reason))
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
  return references.render(cite.citations, targets)
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
    local given = meta[name] ~= nil and stringify(meta[name]) ~= "false"
    if given then problem("the setting " .. name .. " is not supported") end
  end
end

--- LaTeX and typst would number captions once more; here the number is in the caption already.
local function plain_captions(meta)
  local raw = {
    latex = "\\usepackage{caption}\\captionsetup{labelformat=empty}",
    typst = "#show figure.caption: it => it.body",
  }
  if not raw[FORMAT] then return end
  local current = meta["header-includes"]
  local includes = pandoc.utils.type(current) == "List" and current or pandoc.List { current }
  includes:insert(pandoc.MetaBlocks { pandoc.RawBlock(FORMAT, raw[FORMAT]) })
  meta["header-includes"] = includes
end

function Pandoc(doc)
  references.settings = doc.meta
  check_metadata(doc.meta)
  local blocks = doc.blocks:walk {
    traverse = "topdown",
    Figure = number_figure,
    Table = number_table,
    CodeBlock = number_listing,
    Header = number_section,
    Inlines = number_equations,
  }
  local rejects = {}
  for tag in pairs(REASONS) do rejects[tag] = reject end
  blocks:walk(rejects)
  blocks = blocks:walk { Cite = resolve }
  if #problems > 0 then
    io.stderr:write("crossref: " .. table.concat(problems, "\ncrossref: ") .. "\n")
    os.exit(1)
  end
  plain_captions(doc.meta)
  return pandoc.Pandoc(blocks, doc.meta)
end
