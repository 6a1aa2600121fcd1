-- Makes scheduled jobs whose delay has ended ready: they compete by the moment it ended. One bounded step; true when
-- another one is needed. An id without a row goes, with all that is left of it.
local function take_in(queue, now)
  local due = call('ZRANGE', queue.scheduled, '-inf', now, 'BYSCORE', 'LIMIT', 0, STEP, 'WITHSCORES')
  if #due == 0 then
    return false
  end
  local ids, ready = {}, {}
  for i = 1, #due, 2 do
    ids[#ids + 1] = due[i]
  end
  local rows = call('HMGET', queue.jobs, unpack(ids))
  for i = 1, #ids do
    if rows[i] then
      local priority = match(rows[i], '^{"generation":%d+,"priority":(%-?%d+)') or 0
      ready[#ready + 1] = -priority * 1e12 + due[2 * i]
      ready[#ready + 1] = ids[i]
    else
      call('HDEL', queue.payloads, ids[i])
      call('ZREM', queue.wake, ids[i])
    end
  end
  call('ZREM', queue.scheduled, unpack(ids))
  many('ZADD', queue.ready, ready)
  return #ids == STEP
end
