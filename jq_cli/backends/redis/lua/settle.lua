-- Applies changes to jobs of one queue, each one an all-or-nothing step, all of them in a few commands.
--
-- Changes come in runs that have much in common. A run is: number of its shape, expectation, place, how many changes; then for
-- each: id, row, and what the shape says follows. The expectation of a fenced change is how the lease must begin; of another
-- it is the version. The place is the score in the new index, relative to now when the shape has a stamp. The row lacks its
-- end, `}`, because the store's time may have to be added; of a removed job it is the mark; it is empty when it equals that of
-- the change before it.
--
-- A shape is {to, fenced, stamp?, base, stop, keep?, cap?, totals, payload, output, lease, expires, keys, width}: the new index
-- or `gone`; whether the change is fenced; the field that gets the store's time; the score's share that is not time; whether
-- the new row asks to stop; which arguments follow (payload, side record, lease without its end, moment of expiry; then the
-- number of key changes, and name, outcome, ttl of each); the number of a change's arguments but for those of keys.

local FINAL = {succeeded = true, succeeded_kept = true, cancelled = true, cancelled_kept = true, dead = true}

-- The changes of a section: their ids, where each begins in ARGV, and their runs, which know their `last` change.
local function read_changes(at, count, shapes)
  local ids, places, runs, n = {}, {}, {}, 0
  while n < count do
    local shape = shapes[ARGV[at]]
    local run = {shape = shape, expect = ARGV[at + 1], place = ARGV[at + 2], last = n + ARGV[at + 3]}
    runs[#runs + 1], at = run, at + 4
    local width, keys = shape.width, shape.keys
    while n < run.last do
      n = n + 1
      ids[n], places[n], at = ARGV[at], at, at + width
      if keys then
        at = at + 1 + 3 * ARGV[at]
      end
    end
  end
  return ids, places, runs, at
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
    run.lease = lease
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
  return text(score), finish, shape.keep and text(score + shape.keep)
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

-- Notes what an applied change writes: in its shape, flushed below, or in the lists of the batch. `row` is without its end.
local function apply(queue, at, run, row, old, now, batch)
  local shape, id = run.shape, ARGV[at]
  local n = shape.count
  shape.ids[n + 1], shape.count, n, at = id, n + 1, 2 * n, at + 2
  if shape.to ~= 'gone' then
    local stop = shape.stop or (not shape.final and sub(old, -13) == STOP)
    if run.row ~= row or run.stop ~= stop then
      if not run.score or run.stop ~= stop then
        run.score, run.finish, run.wakes = place(run, stop, now)
      end
      run.row, run.stop, run.whole = row, stop, row .. run.finish
    end
    shape.rows[n + 1], shape.rows[n + 2] = id, run.whole
    shape.places[n + 1], shape.places[n + 2] = run.score, id
    if run.wakes then
      shape.wakes[n + 1], shape.wakes[n + 2] = run.wakes, id
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
    call('HINCRBY', queue.totals, shape.totals[i], shape.count)
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
    if shape.count > 0 then
      flush(queue, shape)
      queue.cap = shape.cap and math.min(shape.cap, queue.cap or shape.cap) or queue.cap
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
    shape.count, shape.ids, shape.rows, shape.places, shape.wakes = 0, {}, {}, {}, {}
  end
  local ids, places, runs, following = read_changes(at, count, shapes)
  local leases = call('HMGET', queue.leases, unpack(ids))
  local batch, ended, moved = {payloads = {}, outputs = {}, leases = {}}, {}, {}
  local i, told, row = 0, #verdicts, nil
  for _, run in ipairs(runs) do
    local left = run.shape.fenced and ended or moved
    while i < run.last do
      i = i + 1
      local lease, own = leases[i], ARGV[places[i] + 1]
      row = own ~= '' and own or row or ''
      local verdict, old = 'applied', lease
      if not lease or lease ~= run.lease then -- the leases of jobs claimed together are equal
        verdict, old = judge(queue, ids[i], row, run, lease)
      end
      if verdict == 'applied' then
        left[#left + 1] = ids[i]
        apply(queue, places[i], run, row, old, now, batch)
      end
      verdicts[told + i] = sub(verdict, 1, 2)
    end
  end
  leave(queue, ended, moved)
  flush_all(queue, shapes, batch)
  return following
end
