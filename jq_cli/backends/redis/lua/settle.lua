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

-- The verdict on a change, and when it is `applied` the lease or row that it replaces.
local function judge(queue, id, row, run, lease)
  local fenced, gone = run.shape.fenced, run.shape.to == 'gone'
  if lease and fenced and sub(lease, 1, #run.expect) == run.expect then
    return 'applied', lease
  end
  local old = call('HGET', queue.jobs, id)
  if not old then
    return gone and 'already' or 'lost'
  end
  local version = version_of(id, old, lease)
  if version == (gone and row or version_of(id, row)) then
    return 'already'
  end
  if fenced or version ~= run.expect then
    return 'lost'
  end
  return 'applied', lease or old
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

local function pair(list, id, value)
  local n = #list
  list[n + 1], list[n + 2] = id, value
end

-- Notes the parts that few changes have. Answers where the next one would be.
local function apply_parts(at, shape, id, stop, batch)
  for _, part in ipairs({'payload', 'output', 'lease'}) do
    if shape[part] then
      pair(batch[part .. 's'], id, part == 'lease' and ARGV[at] .. (stop and STOP or '}') or ARGV[at])
      at = at + 1
    end
  end
  if shape.expires then
    pair(shape.wakes, ARGV[at], id)
    at = at + 1
  end
  return at
end

-- Notes what an applied change writes: in its shape, flushed below, or in the lists of the batch.
local function apply(queue, at, run, old, now, batch)
  local shape, id, row = run.shape, ARGV[at], ARGV[at + 1]
  local n = 2 * #shape.ids
  shape.ids[#shape.ids + 1], at = id, at + 2
  if shape.to ~= 'gone' then
    local stop = shape.stop or (not shape.final and sub(old, -13) == STOP)
    local placed = stop and place(run, stop, now) or run.placed or place(run, stop, now)
    run.placed = not stop and placed or run.placed
    shape.rows[n + 1], shape.rows[n + 2] = id, row .. placed[2]
    shape.places[n + 1], shape.places[n + 2] = placed[1], id
    if placed[3] then
      shape.wakes[n + 1], shape.wakes[n + 2] = placed[3], id
    end
    if shape.parts then
      at = apply_parts(at, shape, id, stop, batch)
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

local function flush_all(queue, shapes, batch)
  for _, shape in ipairs(shapes) do
    if #shape.ids > 0 then
      flush(queue, shape)
      queue.cap = shape.cap or queue.cap
      queue.hint_ready = queue.hint_ready or shape.to == 'ready'
      queue.hint_done = queue.hint_done or shape.final or shape.to == 'gone'
    end
  end
  for _, part in ipairs({'payloads', 'outputs', 'leases'}) do
    many('HSET', queue[part], batch[part])
  end
end

-- Applies a section of changes. Answers where the next one begins in ARGV; the verdicts are added to the list.
local function settle(queue, at, count, shapes, now, verdicts)
  for _, shape in ipairs(shapes) do
    shape.ids, shape.rows, shape.places, shape.wakes = {}, {}, {}, {}
  end
  local changes, ids, runs, following = read_changes(at, count, shapes)
  local leases = call('HMGET', queue.leases, unpack(ids))
  local batch, ended, moved = {payloads = {}, outputs = {}, leases = {}}, {}, {}
  for i = 1, count do
    local run = runs[i]
    local verdict, old = judge(queue, ids[i], ARGV[changes[i] + 1], run, leases[i])
    if verdict == 'applied' then
      local left = run.shape.fenced and ended or moved
      left[#left + 1] = ids[i]
      apply(queue, changes[i], run, old, now, batch)
    end
    verdicts[#verdicts + 1] = sub(verdict, 1, 2)
  end
  leave(queue, ended, moved)
  flush_all(queue, shapes, batch)
  return following
end
