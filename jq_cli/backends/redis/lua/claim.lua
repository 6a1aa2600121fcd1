-- Leases the first ready jobs of a queue. `asked` is {worker, lease, nonce, limit, idle, now}, `taken` the number of jobs that
-- the claim has so far. Answers the ids, rows (nothing for one that equals the row before it) and payloads, and what ends the
-- claim: 'idle' when the next job may not be fetched ahead, 'again' when a bounded step did not suffice.
local MAX_BYTES = 16 * 1024 * 1024 -- of rows and payloads in one answer; a claim gives fewer jobs rather than more bytes

-- Whether a queue hands nothing out at this moment, and how many jobs more it may have running.
local function read_controls(queue, now)
  local text = call('GET', queue.controls)
  local readable, controls = pcall(cjson.decode, text or '{}')
  if not readable or type(controls) ~= 'table' then
    return false, nil
  end
  local ends = tonumber(controls.paused_until)
  local paused = controls.paused == true and (not ends or ends > now)
  local most = tonumber(controls.max_running) or 0
  return paused, most > 0 and most - call('ZCARD', queue.running) or nil
end

local function at_most_once(row)
  if not find(row, '"delivery":"at_most_once"', 1, true) then
    return false
  end
  local readable, fields = pcall(cjson.decode, row) -- the text may also stand in a header
  return readable and type(fields) == 'table' and fields.delivery == 'at_most_once'
end

-- Hands out `ids` from the front of the queue until one may not be. Answers how many ids are done with, what was handed out,
-- and whether the claim ends here.
local function choose(queue, ids, asked, taken)
  local rows, payloads = call('HMGET', queue.jobs, unpack(ids)), call('HMGET', queue.payloads, unpack(ids))
  local chosen, n, bytes, last, once = {ids = {}, rows = {}, payloads = {}, ghosts = {}}, 0, 0, nil, nil
  for i = 1, #ids do
    local row, payload = rows[i], payloads[i]
    if row then
      if row ~= last then
        last, once = row, at_most_once(row)
      end
      bytes = bytes + #row + (payload and #payload or 0)
      if n > 0 and bytes > MAX_BYTES or once and taken + n >= asked.idle then
        return i - 1, chosen, 'idle'
      end
      n = n + 1
      chosen.ids[n], chosen.rows[n], chosen.payloads[n] = ids[i], row, payload
    else
      chosen.ghosts[#chosen.ghosts + 1] = ids[i]
    end
  end
  return #ids, chosen, #chosen.ghosts > 0 and 'again' or nil
end

local function new_lease(row, asked)
  local generation = (match(row, '^{"generation":(%d+)') or 0) + 1
  local token = '"' .. generation .. '.' .. asked.nonce .. '"'
  local stop = sub(row, -13) == STOP
  return '{"token":' .. token .. ',"version":' .. token .. ',"generation":' .. generation .. ',"owner":"' .. asked.worker ..
         '","started_at":' .. asked.now .. (stop and STOP or '}')
end

-- Leaves a row out where it equals the one before it.
local function lease_all(queue, chosen, asked)
  local leases, running, ends, n, last, lease = {}, {}, text(asked.now + asked.lease), 0, nil, nil
  -- Backwards: as long as `running` is small it is a list, searched from its front for the place of each new member.
  for i = #chosen.ids, 1, -1 do
    local id, row = chosen.ids[i], chosen.rows[i]
    if row == last then
      chosen.rows[i + 1] = false
    else
      last, lease = row, new_lease(row, asked)
    end
    leases[n + 1], leases[n + 2], running[n + 1], running[n + 2] = id, lease, ends, id
    n = n + 2
  end
  many('HSET', queue.leases, leases)
  many('ZADD', queue.running, running)
end

local function claim(queue, asked, taken)
  local paused, room = read_controls(queue, asked.now)
  if paused then
    return {}, {}, {}
  end
  if take_in(queue, asked.now) then
    return {}, {}, {}, 'again'
  end
  room = math.min(asked.limit - taken, room or asked.limit)
  local ids = room > 0 and call('ZRANGE', queue.ready, 0, room - 1) or {}
  if #ids == 0 then
    return {}, {}, {}
  end
  local done, chosen, ends = choose(queue, ids, asked, taken)
  if done > 0 then
    call('ZREMRANGEBYRANK', queue.ready, 0, done - 1)
  end
  many('HDEL', queue.payloads, chosen.ghosts)
  lease_all(queue, chosen, asked)
  return chosen.ids, chosen.rows, chosen.payloads, ends
end
