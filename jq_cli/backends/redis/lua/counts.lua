-- Counts queues. ARGV: now. Answers now, then for each queue the numbers of ready (due scheduled ones among them), scheduled,
-- running, succeeded, dead and cancelled jobs, the least ready_at of the ready ones or nothing, totals, controls.
local now = time(ARGV[1])

-- Within one priority the ready jobs lie by ready_at, so the first of each is its oldest: one step for each priority.
-- The share of the priority in a score is told by the distance from now, which is never half of 1e12 ms (15 years).
local function oldest_ready(queue)
  local oldest, from = nil, '-inf'
  for _ = 1, 2001 do
    local first = call('ZRANGE', queue.ready, from, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
    if not first then
      break
    end
    local priority = math.floor((now - first) / 1e12 + 0.5)
    oldest = math.min(oldest or math.huge, first + priority * 1e12)
    from = string.format('(%.0f', now - priority * 1e12 + 5e11)
  end
  return oldest
end

local function counts(queue)
  local due = call('ZCOUNT', queue.scheduled, '-inf', now)
  local oldest = oldest_ready(queue)
  if due > 0 then
    oldest = math.min(oldest or math.huge, call('ZRANGE', queue.scheduled, 0, 0, 'WITHSCORES')[2])
  end
  return {call('ZCARD', queue.ready) + due, call('ZCARD', queue.scheduled) - due, call('ZCARD', queue.running),
          call('ZCARD', queue.succeeded) + call('ZCARD', queue.succeeded_kept), call('ZCARD', queue.dead),
          call('ZCARD', queue.cancelled) + call('ZCARD', queue.cancelled_kept),
          oldest or false, call('HGETALL', queue.totals), call('GET', queue.controls)}
end

local answer = {now}
for n = 1, #KEYS / #PARTS do
  answer[n + 1] = counts(queue_at(n))
end
return answer
