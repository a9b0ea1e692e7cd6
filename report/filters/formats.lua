--[[
Blocks that are not the same in every format:

`::: only-html` is left out of every other format, for what a page of paper has no room for, such as a table of all
labels; such a block carries no label of its own.

`::: small-print` has small type, and tables that stay where they are and may go on from page to page: for an appendix.
]]

local SMALL = [[#[
#set text(size: 8pt)
#set par(leading: 0.5em, spacing: 0.8em, justify: false)
#show table: set text(size: 8pt)
#show raw.where(block: false): set text(size: 1.05em)
#show figure: set figure(placement: none)
#show figure: set block(breakable: true)
#set table(inset: (x: 5pt, y: 2.5pt))]]

function Div(div)
  if div.classes:includes("only-html") and not FORMAT:match("^html") then return {} end
  if div.classes:includes("small-print") and FORMAT == "typst" then
    div.content:insert(1, pandoc.RawBlock("typst", SMALL))
    div.content:insert(pandoc.RawBlock("typst", "]"))
    return div
  end
end
