-- Applies changes to jobs of one queue, each one an all-or-nothing step, all of them in a few commands.
--
-- Changes come in runs that have much in common. A run is: number of its shape, expectation, place, how many changes; then for
-- each: id, row, and what the shape says follows. The expectation of a fenced change is how the lease must begin; of another
-- it is the version. The place is the score in the new index, relative to now when the shape has a stamp. The row lacks its
-- end, `}`, because the store's time may have to be added; of a removed job it is the mark.
--
-- A shape is {to, fenced, stamp?, base, stop, keep?, cap?, totals, payload, output, lease, expires, keys, width}: the new index
-- or `gone`; whether the change is fenced; the field that gets the store's time; the score's share that is not time; whether
-- the new row asks to stop; which arguments follow (payload, side record, lease without its end, moment of expiry; then the
-- number of key changes, and name, outcome, ttl of each); the number of a change's arguments but for those of keys.

local FINAL = {succeeded = true, succeeded_kept = true, cancelled = true, cancelled_kept = true, dead = true}

-- The changes of a section: where each begins in ARGV, its id and its run.
local function read_changes(at, count, shapes)
  local changes, ids, runs, n = {}, {}, {}, 0
  while n < count do
    local shape = shapes[ARGV[at]]
    local run, last = {shape = shape, expect = ARGV[at + 1], place = ARGV[at + 2]}, n + ARGV[at + 3]
    at = at + 4
    while n < last do
      n = n + 1
      changes[n], ids[n], runs[n] = at, ARGV[at], run
      at = at + shape.width
      if shape.keys then
        at = at + 1 + 3 * ARGV[at]
      end
    end
  end
  return changes, ids, runs, at
end

-- The version of a row as it stands in its JSON.
local function version_of(id, row, lease)
  if lease then
    return match(lease, '^{"token":".-","version":"(.-)","') or id
  end
  return match(row, '^{"generation":%d+,"priority":%-?%d+,"version":"(.-)","') or id
end

-- The verdict on a change whose lease is not the one it expects, or that expects none, and the row it saw.
local function judge(queue, id, row, run, lease)
  local old, gone = call('HGET', queue.jobs, id), run.shape.to == 'gone'
  if not old then
    return gone and 'already' or 'lost'
  end
  local version = version_of(id, old, lease)
  if version == (gone and row or version_of(id, row)) then
    return 'already'
  end
  if run.shape.fenced or version ~= run.expect then
    return 'lost'
  end
  return 'applied', old
end

local function change_keys(queue, at, id, now)
  for i = at + 1, at + 3 * ARGV[at], 3 do
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

-- The score, the end of the row and the moment of waking that the changes of a run share.
local function place(run, stop, now)
  local shape = run.shape
  local score, finish = shape.stamp and run.place + now or tonumber(run.place), stop and STOP or '}'
  if shape.stamp then
    finish = ',"' .. shape.stamp .. '":' .. text(score - shape.base) .. finish
  end
  return {text(score), finish, shape.keep and text(score + shape.keep)}
end

-- Notes what an applied change writes: in its shape, flushed below, or in the lists of the batch.
local function apply(queue, at, run, old, now, batch)
  local shape, id = run.shape, ARGV[at]
  local n = 2 * #shape.ids
  shape.ids[#shape.ids + 1] = id
  local row = ARGV[at + 1]
  at = at + 2
  if shape.to ~= 'gone' then
    local stop = shape.stop or (not shape.final and sub(old, -13) == STOP)
    local placed = stop and place(run, stop, now) or run.placed or place(run, stop, now)
    run.placed = not stop and placed or run.placed
    shape.rows[n + 1], shape.rows[n + 2] = id, row .. placed[2]
    shape.places[n + 1], shape.places[n + 2] = placed[1], id
    if placed[3] then
      shape.wakes[n + 1], shape.wakes[n + 2] = placed[3], id
    end
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
    for _, part in ipairs({'jobs', 'payloads', 'outputs'}) do
      call('HDEL', queue[part], unpack(shape.ids))
    end
  else
    call('HSET', queue.jobs, unpack(shape.rows))
    call('ZADD', queue[shape.to], unpack(shape.places))
  end
  if #shape.wakes > 0 then
    call('ZADD', queue.wake, unpack(shape.wakes))
  elseif shape.fenced and (shape.final or shape.to == 'gone') then
    call('ZREM', queue.wake, unpack(shape.ids))
  end
  for i = 1, #shape.totals do
    call('HINCRBY', queue.totals, shape.totals[i], #shape.ids)
  end
end

-- Takes the ids that leave their state out of every index: `ended` were running under their lease, `moved` were anywhere.
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
    shape.ids, shape.rows, shape.places, shape.wakes = {}, {}, {}, {}
  end
  local changes, ids, runs, following = read_changes(at, count, shapes)
  local leases = call('HMGET', queue.leases, unpack(ids))
  local batch, ended, moved = {payloads = {}, outputs = {}, leases = {}}, {}, {}
  for i = 1, count do
    local change, run, lease, verdict, old = changes[i], runs[i], leases[i], 'applied', nil
    if lease and run.shape.fenced and sub(lease, 1, #run.expect) == run.expect then
      old, ended[#ended + 1] = lease, ids[i]
    else
      verdict, old = judge(queue, ids[i], ARGV[change + 1], run, lease)
      if verdict == 'applied' then
        old, moved[#moved + 1] = lease or old, ids[i]
      end
    end
    if verdict == 'applied' then
      apply(queue, change, run, old, now, batch)
    end
    verdicts[#verdicts + 1] = sub(verdict, 1, 2)
  end
  leave(queue, ended, moved)
  for _, shape in ipairs(shapes) do
    if #shape.ids > 0 then
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
