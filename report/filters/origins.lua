--[[
Which run made a figure or a table: its name in small type at the end of the caption, linked to the table of runs if
the document has one.

Of a figure it is the title of the image, of a table an HTML comment before it; the templates write both. To be run
after the cross-references, whose captions go into the alternative text of images.
]]

local SMALL = {
  latex = { "{\\footnotesize ", "}" },
  typst = { "#text(size: 0.85em, fill: quiet)[", "]" },
}

local targets = {} -- identifiers of the spans in this document

--- The name of a run as inlines.
local function origin(run)
  local label = "run-" .. run
  local name = targets[label] and pandoc.Link(pandoc.Str(run), "#" .. label) or pandoc.Str(run)
  local marks = SMALL[FORMAT]
  if not marks then return pandoc.Inlines { pandoc.Span({ name }, pandoc.Attr("", { "run" })) } end
  return pandoc.Inlines { pandoc.RawInline(FORMAT, marks[1]), name, pandoc.RawInline(FORMAT, marks[2]) }
end

--- Put it behind the caption of a figure or a table.
local function sign(element, run)
  local last = element.caption.long[#element.caption.long]
  last.content:insert(pandoc.Space())
  last.content:extend(origin(run))
end

local function sign_figure(figure)
  figure:walk {
    Image = function(image)
      if image.title ~= "" then sign(figure, image.title) end
    end,
  }
  return figure:walk {
    Image = function(image)
      image.title = ""
      return image
    end,
  }
end

local function run_of(block)
  return block and block.t == "RawBlock" and block.text:match("^<!%-%- run: (.-) %-%->%s*$")
end

--- Sign each table that follows a comment, and drop the comment.
local function sign_tables(blocks)
  local out = pandoc.Blocks {}
  for at, block in ipairs(blocks) do
    local run = run_of(blocks[at - 1])
    if run and block.t == "Table" and #block.caption.long > 0 then sign(block, run) end
    if not run_of(block) then out:insert(block) end
    if run and block.t == "Table" and #block.caption.long == 0 then out:insert(pandoc.Para(origin(run))) end
  end
  return out
end

function Pandoc(doc)
  doc.blocks:walk { Span = function(span) targets[span.identifier] = true end }
  doc.blocks = doc.blocks:walk { Figure = sign_figure, Blocks = sign_tables }
  return doc
end
