-- Unique keys. A record that cannot be read counts as none.
local function read_key(text, now)
  local job, ends, fingerprint, rest = match(text or '', '^{"job":"([^"]*)","until":(%w+),"fingerprint":"([^"]*)"(.*)}$')
  if not job or (ends ~= 'null' and tonumber(ends) <= now) then
    return nil
  end
  return {job = job, fingerprint = fingerprint, outcome = match(rest, '^,"outcome":(.*)$')}
end

local function write_key(queue, name, job, ends, fingerprint, outcome)
  local text = '{"job":"' .. job .. '","until":' .. (ends or 'null') .. ',"fingerprint":"' .. fingerprint .. '"'
  if outcome then
    text = text .. ',"outcome":' .. outcome
  end
  call('HSET', queue.keys, name, text .. '}')
  if ends then
    call('ZADD', queue.keyends, ends, name)
  else
    call('ZREM', queue.keyends, name)
  end
end
