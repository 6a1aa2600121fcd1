-- What is due in queues, and forgets keys that ended. ARGV: now, limit. Answers now, then for each queue a flat list of moments and
-- ids, each the earliest of its kind: leases that ended, then wake-ups. Looks at due entries only, and at no further queue once
-- STEP were found: a shorter answer leaves the last queues for another call.
local now, limit = time(ARGV[1]), tonumber(ARGV[2])

local function add(due, found, skip)
  for i = 1, #found, 2 do
    if not skip[i] then
      due[#due + 1], due[#due + 2] = tonumber(found[i + 1]), found[i]
    end
  end
end

-- The wake-up of a running job means nothing, see the prelude. Ten steps at most; the next call goes on.
local function add_wakes(queue, due)
  for _ = 1, 10 do
    local wakes = call('ZRANGE', queue.wake, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
    local ids, stale, skip = {}, {}, {}
    for i = 1, #wakes, 2 do
      ids[#ids + 1] = wakes[i]
    end
    local running = many('ZMSCORE', queue.running, ids)
    for i = 1, #ids do
      if running[i] then
        stale[#stale + 1], skip[2 * i - 1] = ids[i], true
      end
    end
    many('ZREM', queue.wake, stale)
    if #stale == 0 or #stale < #ids then
      add(due, wakes, skip)
      break
    end
  end
end

local answer, found = {now}, 0
for n = 1, #KEYS / #PARTS do
  local queue, due = queue_at(n), {}
  local ended = call('ZRANGE', queue.keyends, '-inf', now, 'BYSCORE', 'LIMIT', 0, STEP)
  many('HDEL', queue.keys, ended)
  many('ZREM', queue.keyends, ended)
  add(due, call('ZRANGE', queue.running, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES'), {})
  add_wakes(queue, due)
  answer[n + 1], found = due, found + #ended + #due / 2
  if found >= STEP then
    break
  end
end
return answer
