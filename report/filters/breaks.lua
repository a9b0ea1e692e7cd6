--[[
`\newline` and `\newpage` in every output format.

LaTeX knows both. Elsewhere `\newline` is a line break (nothing at the end of a heading, which breaks anyway) and
`\newpage` a page break, whether it stands alone or inside a paragraph.
]]

local PAGE_BREAKS = {
  docx = pandoc.RawBlock("openxml", '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'),
  html = pandoc.RawBlock("html", '<div style="break-after: page"></div>'),
  plain = pandoc.RawBlock("plain", "\f"),
  typst = pandoc.RawBlock("typst", "#pagebreak(weak: true)"),
}

local SPACES = { Space = true, SoftBreak = true }

local function page_break()
  local format = FORMAT:match("^html") and "html" or FORMAT
  return PAGE_BREAKS[format] or pandoc.HorizontalRule()
end

--- True for raw TeX that is this command and nothing else.
local function is_command(element, name)
  return (element.t == "RawInline" or element.t == "RawBlock")
    and (element.format == "tex" or element.format == "latex")
    and element.text:match("^\\(%a+)%s*$") == name
end

--- Cut a paragraph at every `\newpage` in it.
local function split_pages(para)
  local out, part = pandoc.Blocks {}, pandoc.Inlines {}
  local function close()
    while #part > 0 and SPACES[part[#part].t] do part:remove() end
    if #part > 0 then out:insert(pandoc.Para(part)) end
    part = pandoc.Inlines {}
  end
  for _, item in ipairs(para.content) do
    if is_command(item, "newpage") then
      close()
      out:insert(page_break())
    elseif #part > 0 or not SPACES[item.t] then
      part:insert(item)
    end
  end
  close()
  return out
end

--- Drop a `\newline` at the end of a heading, with the space before it.
local function trim_heading(header)
  local content = header.content
  while #content > 0 and (content[#content].t == "Space" or is_command(content[#content], "newline")) do
    content:remove()
  end
  header.content = content
  return header
end

if FORMAT:match("latex") then return {} end

return {
  { Header = trim_heading },
  {
    Para = split_pages,
    RawBlock = function(raw) return is_command(raw, "newpage") and page_break() or nil end,
    RawInline = function(raw) return is_command(raw, "newline") and pandoc.LineBreak() or nil end,
  },
}
