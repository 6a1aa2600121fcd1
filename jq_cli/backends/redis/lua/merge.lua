-- Whether of two lists of ids and scores in turn, the member at i of the one has an earlier place than that at j of the other.
local function comes_first(one, i, other, j)
  local a, b = tonumber(one[i + 1]), tonumber(other[j + 1])
  return a < b or (a == b and one[i] < other[j])
end
