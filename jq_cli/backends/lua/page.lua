-- Reads one page of a state in its own order. ARGV: now, state, limit, reverse ('1'), and of the last job of the page before:
-- score and id, or nothing twice. Answers now, '1' when due jobs are left to take in first (nothing else is answered then),
-- '1' when more pages follow, ids, scores, and what `read_rows` gives.
local queue, now = queue_at(1), time(ARGV[1])
local key, limit, reverse, score, id = queue[ARGV[2]], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5], ARGV[6]
if (ARGV[2] == 'ready' or ARGV[2] == 'scheduled') and take_in(queue, now) then
  return {now, '1'}
end

-- How many members come before the place (score, id), those at it included or not. Equal scores are in the order of ids.
local function before(included)
  local low = call('ZCOUNT', key, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local member = call('ZRANGE', key, middle, middle)[1]
    if member < id or (included and member == id) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local size, first, last = call('ZCARD', key), nil, nil
if reverse then
  last = (score == '' and size or before(false)) - 1
  first = math.max(0, last - limit + 1)
else
  first = score == '' and 0 or before(true)
  last = math.min(size, first + limit) - 1
end
local found, ids, scores = first <= last and call('ZRANGE', key, first, last, 'WITHSCORES') or {}, {}, {}
for i = 1, #found, 2 do
  local at = reverse and #found - i or i
  ids[#ids + 1], scores[#scores + 1] = found[at], found[at + 1]
end
local more = reverse and first > 0 or not reverse and last < size - 1
return {now, '', more and '1' or '', ids, scores, read_rows(queue, ids)}
