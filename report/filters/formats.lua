--[[
What stands in a `::: only-html` block is left out of every other format.

For what a page of paper has no room for, such as a table of all labels; such a block carries no label of its own.
]]

function Div(div)
  if div.classes:includes("only-html") and not FORMAT:match("^html") then return {} end
end
