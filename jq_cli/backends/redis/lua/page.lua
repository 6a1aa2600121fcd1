-- Reads one page of a state in its own order. ARGV: now, state, limit, reverse ('1'), and of the last job of the page before:
-- score and id, or nothing twice. Answers now, '1' when due jobs are left to take in first (nothing else is answered then),
-- '1' when more pages follow, ids, scores, and what `read_rows` gives.
local queue, now = queue_at(1), time(ARGV[1])
local state, limit, reverse, score, id = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5], ARGV[6]
if (state == 'ready' or state == 'scheduled') and take_in(queue, now) then
  return {now, '1'}
end

-- How many members of an index come before the place (score, id), one at it included or not. Equal scores are by id.
local function before(key, included)
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

-- The next members of an index in reading order, one more than a page holds: ids and scores in turn.
local function following(key)
  if not reverse then
    local first = score == '' and 0 or before(key, true)
    return call('ZRANGE', key, first, first + limit, 'WITHSCORES')
  end
  local size = call('ZCARD', key)
  local first = score == '' and 0 or size - before(key, false)
  return call('ZREVRANGE', key, first, first + limit, 'WITHSCORES')
end

local some = following(queue[state])
local others = queue[state .. '_kept'] and following(queue[state .. '_kept']) or {}
local ids, scores, i, j = {}, {}, 1, 1
while #ids < limit and (some[i] or others[j]) do
  if some[i] and (not others[j] or comes_first(some, i, others, j) ~= reverse) then
    ids[#ids + 1], scores[#scores + 1], i = some[i], some[i + 1], i + 2
  else
    ids[#ids + 1], scores[#scores + 1], j = others[j], others[j + 1], j + 2
  end
end
return {now, '', (some[i] or others[j]) and '1' or '', ids, scores, read_rows(queue, ids)}
