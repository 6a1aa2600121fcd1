-- For jobs of which some have keys: two more in KEYS.
local queue = {keys = KEYS[7], keyends = KEYS[8]}

-- Takes the keys of a job, whose words begin at a place in ARGV, unless something is in the way: then answers the letter for it,
-- the job whose key it is, and that job's outcome if it has one.
local function take_keys(id, at, dedup, idempotency, ttl, now)
  local name = dedup and ARGV[at]
  local key = name and read_key(call('HGET', queue.keys, name), now)
  if key then
    return 'd', key.job
  end
  at = dedup and at + 1 or at
  local once, fingerprint = ARGV[at], ARGV[at + 1]
  key = idempotency and read_key(call('HGET', queue.keys, once), now)
  if key and key.fingerprint ~= fingerprint then
    return 'm', key.job
  end
  if key then
    return key.outcome and 'r' or 'd', key.job, key.outcome
  end
  if dedup then
    write_key(queue, name, id, ttl >= 0 and now + ttl or nil, '')
  end
  if idempotency then
    write_key(queue, once, id, nil, fingerprint)
  end
end
