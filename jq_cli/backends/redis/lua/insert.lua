-- Stores jobs of one queue, in order. KEYS: the parts of the queue that it touches, as named below. ARGV: now, again ('1': this
-- was sent before, so a known id is this very job), how many jobs, the id and the payload of each, then runs of those that are
-- alike. A run is one word of seven numbers: how many, priority, delay, expires_in (-1: none), dedup_ttl (-1: until it ends),
-- whether they have a dedup key and an idempotency key (1 or 0); the tail of their rows; then for each job: the dedup key's
-- name if it has one, the idempotency key's name and fingerprint if it has one.
-- Answers four words for each job that was not created: its place, a letter (d duplicate, r replayed, m mismatch), the id of
-- the job in its way, and that job's outcome or nothing.
--
-- The server makes functions and tables anew in each call, which is half of what a job costs that comes alone. So there are few.
local JOBS, PAYLOADS, READY, TOTALS, SCHEDULED, WAKE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local RUN = '^(%d+) (%-?%d+) (%d+) (%-?%d+) (%-?%d+) ([01]) ([01])$'
local now, again, count = time(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3])
local now_text = text(now)

local ids = {}
for i = 1, count do
  ids[i] = ARGV[2 + 2 * i]
end
local known = call('HMGET', JOBS, unpack(ids))
local created, refused, duplicates = {}, {}, 0
local rows, payloads, ready, scheduled, wakes = {}, {}, {}, {}, {}

local place, at = 0, 4 + 2 * count
while place < count do
  local alike, priority, delay, lives, ttl, dedup, idempotency = match(ARGV[at], RUN)
  local ready_at, index, rest, wake = now_text, ready, ARGV[at + 1], nil
  if delay ~= '0' then
    ready_at, index, rest = text(now + delay), scheduled, ',"state":"scheduled"' .. rest
  end
  if lives ~= '-1' then
    wake = text(now + lives)
    rest = ',"expires_at":' .. wake .. rest
  end
  local row = '{"generation":0,"priority":' .. priority .. ',"created_at":' .. now_text .. ',"ready_at":' .. ready_at .. rest
  local score = (index == scheduled or priority == '0') and ready_at or text(now - priority * 1e12)
  at = at + 2
  for i = place + 1, place + alike do
    local id, letter, other, outcome = ids[i], nil, nil, nil
    if created[id] or known[i] and not again then
      letter, other = 'd', id
    elseif take_keys and not known[i] then
      letter, other, outcome = take_keys(id, at, dedup == '1', idempotency == '1', tonumber(ttl), now)
    end
    if letter then
      local n = #refused
      refused[n + 1], refused[n + 2], refused[n + 3], refused[n + 4] = i, letter, other, outcome or false
      duplicates = duplicates + (letter == 'm' and 0 or 1)
    elseif not known[i] then
      local n = #rows
      created[id], rows[n + 1], rows[n + 2], payloads[n + 1], payloads[n + 2] = true, id, row, id, ARGV[3 + 2 * i]
      n = #index
      index[n + 1], index[n + 2] = score, id
      if wake then
        wakes[#wakes + 1], wakes[#wakes + 2] = wake, id
      end
    end
    at = at + dedup + 2 * idempotency
  end
  place = place + alike
end

if #rows > 0 then
  call('HSET', JOBS, unpack(rows))
  call('HSET', PAYLOADS, unpack(payloads))
  call('HINCRBY', TOTALS, 'enqueued', #rows / 2)
end
many('ZADD', SCHEDULED, scheduled)
many('ZADD', WAKE, wakes)
if #ready > 0 then
  call('ZADD', READY, unpack(ready))
  hint(READY)
end
if duplicates > 0 then
  call('HINCRBY', TOTALS, 'duplicates', duplicates)
end
return refused
