-- Applies changes to jobs of one queue, each one an all-or-nothing step, all of them in a few commands.
--
-- A change is: id, expectation, row, number of its shape, place, and what the shape says follows. The expectation of a fenced
-- change is how the lease must begin; of another it is the version. The row lacks its end, `}`, because the store's time may
-- have to be added; of a removed job it is the mark. The place is the score in the order of the new state, relative to now
-- when the shape has a stamp. A shape is {to, fenced, stamp?, base, stop, keep?, counted, cap?, totals, payload, output,
-- lease, expires, keys, width}: the part for the new state or `gone`; whether the change is fenced; the field that gets the
-- store's time; the score's share that is not time; whether the new row asks to stop; which arguments follow (payload, side
-- record, lease without its end, moment of expiry; then the number of key changes, and name, outcome, ttl of each); and
-- the number of arguments but for those of keys.

local FINAL = {succeeded = true, dead = true, cancelled = true}
local INDEXES = {'ready', 'scheduled', 'running', 'succeeded', 'dead', 'cancelled', 'counted', 'wake'}

local function read_changes(at, count, shapes)
  local changes, ids = {}, {}
  for i = 1, count do
    local change, shape = at, shapes[ARGV[at + 3]]
    changes[i], ids[i] = change, ARGV[at]
    at = at + shape.width
    if shape.keys then
      at = at + 1 + 3 * tonumber(ARGV[at])
    end
  end
  return changes, ids, at
end

-- The version of a row as it stands in its JSON.
local function version_of(id, row, lease)
  if lease then
    return match(lease, '^{"token":".-","version":"(.-)","') or id
  end
  return match(row, '^{"generation":%d+,"priority":%-?%d+,"version":"(.-)","') or id
end

-- The verdict on a change whose lease is not the one it expects, or that expects none, and the row it saw.
local function judge(queue, at, shape, lease)
  local id, expect, row = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local old = call('HGET', queue.jobs, id)
  if not old then
    return shape.to == 'gone' and 'already' or 'lost'
  end
  local version = version_of(id, old, lease)
  if version == (shape.to == 'gone' and row or version_of(id, row)) then
    return 'already'
  end
  if shape.fenced or version ~= expect then
    return 'lost'
  end
  return 'applied', old
end

local function change_keys(queue, at, id, now)
  for i = at + 1, at + 3 * tonumber(ARGV[at]), 3 do
    local name, outcome, ttl = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
    local key = read_key(call('HGET', queue.keys, name), now)
    if key and key.job == id then
      if outcome == '' then
        call('HDEL', queue.keys, name)
        call('ZREM', queue.keyends, name)
      else
        write_key(queue, name, id, now + ttl, key.fingerprint, outcome)
      end
    end
  end
end

-- The score, the end of the row and the moment of waking for a change's place: the same for most changes of a shape.
local function placed(shape, place, stop, now)
  local key = stop and 'stop' .. place or place
  local made = shape.made[key]
  if not made then
    local score, finish = shape.stamp and place + now or tonumber(place), stop and STOP or '}'
    if shape.stamp then
      finish = ',"' .. shape.stamp .. '":' .. text(score - shape.base) .. finish
    end
    made = {text(score), finish, shape.keep and text(score + shape.keep)}
    shape.made[key] = made
  end
  return made[1], made[2], made[3]
end

-- Notes what an applied change writes: in its shape, flushed below, or in the lists of the batch.
local function apply(queue, at, shape, old, now, batch)
  local id, n = ARGV[at], 2 * shape.applied
  shape.applied = shape.applied + 1
  shape.ids[shape.applied] = id
  if shape.to == 'gone' then
    at = at + 5
  else
    local stop = shape.stop or (not shape.final and sub(old, -13) == STOP)
    local score, finish, wake = placed(shape, ARGV[at + 4], stop, now)
    shape.rows[n + 1], shape.rows[n + 2] = id, ARGV[at + 2] .. finish
    shape.places[n + 1], shape.places[n + 2] = score, id
    if wake then
      shape.wakes[n + 1], shape.wakes[n + 2] = wake, id
    end
    at = at + 5
    if shape.payload then
      batch.payloads[#batch.payloads + 1], batch.payloads[#batch.payloads + 2] = id, ARGV[at]
      at = at + 1
    end
    if shape.output then
      batch.outputs[#batch.outputs + 1], batch.outputs[#batch.outputs + 2] = id, ARGV[at]
      at = at + 1
    end
    if shape.lease then
      batch.leases[#batch.leases + 1], batch.leases[#batch.leases + 2] = id, ARGV[at] .. (stop and STOP or '}')
      at = at + 1
    end
    if shape.expires then
      shape.wakes[n + 1], shape.wakes[n + 2] = ARGV[at], id
      at = at + 1
    end
  end
  if shape.keys then
    change_keys(queue, at, id, now)
  end
end

local function flush(queue, shape)
  if shape.to == 'gone' then
    call('HDEL', queue.jobs, unpack(shape.ids))
    call('HDEL', queue.payloads, unpack(shape.ids))
    call('HDEL', queue.outputs, unpack(shape.ids))
  else
    call('HSET', queue.jobs, unpack(shape.rows))
    call('ZADD', queue[shape.to], unpack(shape.places))
    if shape.counted then
      call('ZADD', queue.counted, unpack(shape.places))
    end
  end
  if #shape.wakes > 0 then
    call('ZADD', queue.wake, unpack(shape.wakes))
  elseif shape.fenced and (shape.final or shape.to == 'gone') then
    call('ZREM', queue.wake, unpack(shape.ids))
  end
  for i = 1, #shape.totals do
    call('HINCRBY', queue.totals, shape.totals[i], shape.applied)
  end
end

-- Drops the oldest counted jobs beyond the cap, one bounded step.
local function trim(queue, cap)
  local excess = call('ZCARD', queue.counted) - cap
  if excess <= 0 then
    return
  end
  local ids = call('ZRANGE', queue.counted, 0, math.min(excess, STEP) - 1)
  call('ZREMRANGEBYRANK', queue.counted, 0, #ids - 1)
  for _, index in ipairs({'succeeded', 'cancelled', 'wake'}) do
    if call('EXISTS', queue[index]) == 1 then
      call('ZREM', queue[index], unpack(ids))
    end
  end
  for _, part in ipairs({'jobs', 'payloads', 'outputs'}) do
    if call('EXISTS', queue[part]) == 1 then
      call('HDEL', queue[part], unpack(ids))
    end
  end
end

-- Takes the ids that leave their state out of every order: `ended` were running under their lease, `moved` were anywhere.
local function leave(queue, ended, moved)
  many('ZREM', queue.running, ended)
  many('HDEL', queue.leases, ended)
  if #moved > 0 then
    for i = 1, #INDEXES do
      call('ZREM', queue[INDEXES[i]], unpack(moved))
    end
    call('HDEL', queue.leases, unpack(moved))
  end
end

local function settle(queue, at, count, shapes, now, verdicts)
  for _, shape in ipairs(shapes) do
    shape.applied, shape.ids, shape.rows, shape.places, shape.wakes, shape.made = 0, {}, {}, {}, {}, {}
  end
  local changes, ids, following = read_changes(at, count, shapes)
  local leases = call('HMGET', queue.leases, unpack(ids))
  local batch, ended, moved = {payloads = {}, outputs = {}, leases = {}}, {}, {}
  for i = 1, count do
    local change, lease, verdict, old = changes[i], leases[i], 'applied', nil
    local shape, expect = shapes[ARGV[change + 3]], ARGV[change + 1]
    if shape.fenced and lease and sub(lease, 1, #expect) == expect then
      old, ended[#ended + 1] = lease, ids[i]
    else
      verdict, old = judge(queue, change, shape, lease)
      if verdict == 'applied' then
        old, moved[#moved + 1] = lease or old, ids[i]
      end
    end
    if verdict == 'applied' then
      apply(queue, change, shape, old, now, batch)
    end
    verdicts[#verdicts + 1] = sub(verdict, 1, 2)
  end
  leave(queue, ended, moved)
  for _, shape in ipairs(shapes) do
    if shape.applied > 0 then
      flush(queue, shape)
      queue.cap = shape.cap or queue.cap
      queue.hint_ready = queue.hint_ready or shape.to == 'ready'
      queue.hint_done = queue.hint_done or shape.final or shape.to == 'gone'
    end
  end
  many('HSET', queue.payloads, batch.payloads)
  many('HSET', queue.outputs, batch.outputs)
  many('HSET', queue.leases, batch.leases)
  return following
end
