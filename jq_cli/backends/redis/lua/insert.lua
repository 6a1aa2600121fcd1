-- Stores jobs of one queue, in order. ARGV: now, again ('1': this was sent before, so a known id is this very job), shapes
-- (JSON, a list of {priority, delay, expires_in?, dedup, dedup_ttl?, idempotency}), then for each job: id, tail of its row,
-- payload, number of its shape, the dedup key's name if it has one, the idempotency key's name and fingerprint if it has one.
-- Answers a letter for each job (c created, d duplicate, r replayed, m mismatch), then for each that is not c: the id of the
-- job in its way, and that job's outcome or nothing.
local queue, now, again = queue_at(1), time(ARGV[1]), ARGV[2] == '1'
local shapes = cjson.decode(ARGV[3])
for i = 1, #shapes do
  local shape = shapes[i]
  local state = shape.delay > 0 and ',"state":"scheduled"' or ''
  local expires = shape.expires_in and ',"expires_at":' .. now + shape.expires_in or ''
  shape.head = '{"generation":0,"priority":' .. shape.priority .. ',"created_at":' .. now ..
               ',"ready_at":' .. now + shape.delay .. expires .. state
  shape.index = shape.delay > 0 and 'scheduled' or 'ready'
  shape.score = shape.delay > 0 and now + shape.delay or -shape.priority * 1e12 + now
  shapes[tostring(i)] = shape
end

local jobs, ids, at = {}, {}, 4
while ARGV[at] do
  local shape = shapes[ARGV[at + 3]]
  local job = {id = ARGV[at], tail = ARGV[at + 1], payload = ARGV[at + 2], shape = shape}
  at = at + 4
  if shape.dedup then
    job.dedup, at = ARGV[at], at + 1
  end
  if shape.idempotency then
    job.idempotency, job.fingerprint, at = ARGV[at], ARGV[at + 1], at + 2
  end
  jobs[#jobs + 1], ids[#ids + 1] = job, job.id
end
local known = call('HMGET', queue.jobs, unpack(ids))

local details, duplicates, created = {}, 0, {}

local function refuse(letter, id, outcome)
  details[#details + 1], details[#details + 2] = id, outcome or false
  if letter ~= 'm' then
    duplicates = duplicates + 1
  end
  return letter
end

-- nil when nothing is in the way of the job.
local function judge(job, exists)
  if exists or created[job.id] then
    if again and not created[job.id] then
      return 'c'
    end
    return refuse('d', job.id)
  end
  local key = job.dedup and read_key(call('HGET', queue.keys, job.dedup), now)
  if key then
    return refuse('d', key.job)
  end
  key = job.idempotency and read_key(call('HGET', queue.keys, job.idempotency), now)
  if key and key.fingerprint ~= job.fingerprint then
    return refuse('m', key.job)
  end
  return key and refuse(key.outcome and 'r' or 'd', key.job, key.outcome)
end

local rows, payloads, wakes, places, letters = {}, {}, {}, {ready = {}, scheduled = {}}, {}
local enqueued = 0
for i = 1, #jobs do
  local job = jobs[i]
  local letter = judge(job, known[i])
  if not letter then
    local id, shape, n = job.id, job.shape, 2 * enqueued
    local place = places[shape.index]
    letter, created[id], enqueued = 'c', true, enqueued + 1
    rows[n + 1], rows[n + 2] = id, shape.head .. job.tail
    payloads[n + 1], payloads[n + 2] = id, job.payload
    place[#place + 1], place[#place + 2] = shape.score, id
    if shape.expires_in then
      wakes[#wakes + 1], wakes[#wakes + 2] = now + shape.expires_in, id
    end
    if job.dedup then
      write_key(queue, job.dedup, id, shape.dedup_ttl and now + shape.dedup_ttl, '')
    end
    if job.idempotency then
      write_key(queue, job.idempotency, id, nil, job.fingerprint)
    end
  end
  letters[i] = letter
end

many('HSET', queue.jobs, rows)
many('HSET', queue.payloads, payloads)
many('ZADD', queue.ready, places.ready)
many('ZADD', queue.scheduled, places.scheduled)
many('ZADD', queue.wake, wakes)
if enqueued > 0 then
  call('HINCRBY', queue.totals, 'enqueued', enqueued)
end
if duplicates > 0 then
  call('HINCRBY', queue.totals, 'duplicates', duplicates)
end
if #places.ready > 0 then
  hint(queue.ready)
end
return {table.concat(letters), unpack(details)}
