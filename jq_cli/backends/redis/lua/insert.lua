-- Stores jobs of one queue, in order. ARGV: now, again ('1': this was sent before, so a known id is this very job), then runs of
-- jobs that are alike. A run is one word of seven numbers: how many, priority, delay, expires_in (-1: none), dedup_ttl (-1: until
-- it ends), whether they have a dedup key and an idempotency key (1 or 0); the tail of their rows; then for each job: id,
-- payload, the dedup key's name if it has one, the idempotency key's name and fingerprint if it has one.
-- Answers a letter for each job (c created, d duplicate, r replayed, m mismatch), then for each that is not c: the id of the
-- job in its way, and that job's outcome or nothing.
local queue, now, again = queue_at(1), time(ARGV[1]), ARGV[2] == '1'
local RUN = '^(%d+) (%-?%d+) (%d+) (%-?%d+) (%-?%d+) ([01]) ([01])$'

local runs, ids, at = {}, {}, 3
while ARGV[at] do
  local count, priority, delay, lives, ttl, dedup, idempotency = match(ARGV[at], RUN)
  delay, lives, ttl = tonumber(delay), tonumber(lives), tonumber(ttl)
  local run, delayed = {first = at + 2, width = 2 + dedup + 2 * idempotency}, delay > 0
  run.dedup, run.idempotency, run.ends = dedup == '1', idempotency == '1', ttl >= 0 and now + ttl or nil
  run.index, run.wake = delayed and 'scheduled' or 'ready', lives >= 0 and text(now + lives)
  run.score = text(delayed and now + delay or now - priority * 1e12)
  run.row = '{"generation":0,"priority":' .. priority .. ',"created_at":' .. now .. ',"ready_at":' .. now + delay ..
            (run.wake and ',"expires_at":' .. run.wake or '') .. (delayed and ',"state":"scheduled"' or '') .. ARGV[at + 1]
  at = run.first + count * run.width
  run.last = at - 1
  for n = run.first, run.last, run.width do
    ids[#ids + 1] = ARGV[n]
  end
  runs[#runs + 1] = run
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

-- The keys of the job whose words begin at a place.
local function keys_at(run, place)
  local job, at = {}, place + 2
  if run.dedup then
    job.dedup, at = ARGV[at], at + 1
  end
  if run.idempotency then
    job.idempotency, job.fingerprint = ARGV[at], ARGV[at + 1]
  end
  return job
end

-- nil when nothing is in the way of the job; `job`: its keys, if it has any.
local function judge(id, exists, job)
  if exists or created[id] then
    if again and not created[id] then
      return 'c'
    end
    return refuse('d', id)
  end
  if not job then
    return nil
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

local function store(run, id, payload, job)
  local n, place = 2 * enqueued, places[run.index]
  created[id], enqueued = true, enqueued + 1
  rows[n + 1], rows[n + 2] = id, run.row
  payloads[n + 1], payloads[n + 2] = id, payload
  place[#place + 1], place[#place + 2] = run.score, id
  if run.wake then
    wakes[#wakes + 1], wakes[#wakes + 2] = run.wake, id
  end
  if run.dedup then
    write_key(queue, job.dedup, id, run.ends, '')
  end
  if run.idempotency then
    write_key(queue, job.idempotency, id, nil, job.fingerprint)
  end
end

for r = 1, #runs do
  local run = runs[r]
  local keyed = run.dedup or run.idempotency
  for at = run.first, run.last, run.width do
    local id, job, i = ARGV[at], keyed and keys_at(run, at), #letters + 1
    local letter = judge(id, known[i], job)
    if not letter then
      store(run, id, ARGV[at + 1], job)
    end
    letters[i] = letter or 'c'
  end
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
