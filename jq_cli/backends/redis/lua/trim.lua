-- How many of the first `count` jobs of two indexes, taken together in order, are in each.
local function shares(one, other, count)
  local i, j = 0, 0
  while i + j < count do
    local a, b = 2 * i + 1, 2 * j + 1
    if one[a] and (not other[b] or comes_first(one, a, other, b)) then
      i = i + 1
    else
      j = j + 1
    end
  end
  return i, j
end

-- The oldest jobs of an index, out of it.
local function take_oldest(key, count)
  if count == 0 then
    return {}
  end
  local ids = call('ZRANGE', key, 0, count - 1)
  call('ZREMRANGEBYRANK', key, 0, count - 1)
  return ids
end

-- Drops the oldest counted jobs beyond the cap, one bounded step.
local function trim(queue, cap)
  local succeeded, cancelled = call('ZCARD', queue.succeeded), call('ZCARD', queue.cancelled)
  local excess = math.min(succeeded + cancelled - cap, STEP)
  if excess <= 0 then
    return
  end
  local most, others = math.min(excess, succeeded), 0
  if cancelled > 0 then
    most, others = shares(call('ZRANGE', queue.succeeded, 0, excess - 1, 'WITHSCORES'),
                          call('ZRANGE', queue.cancelled, 0, excess - 1, 'WITHSCORES'), excess)
  end
  for _, ids in ipairs({take_oldest(queue.succeeded, most), take_oldest(queue.cancelled, others)}) do
    for _, part in ipairs({'jobs', 'payloads', 'outputs'}) do
      if #ids > 0 and call('EXISTS', queue[part]) == 1 then
        call('HDEL', queue[part], unpack(ids))
      end
    end
    many('ZREM', queue.wake, ids)
  end
end
