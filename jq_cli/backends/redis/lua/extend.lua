-- Moves the end of leases. ARGV: now, how many ms from now, then for each: id, how its lease must begin (up to the value of
-- its version), and the side record to show or nothing. Answers now and a letter for each: h held, s stop, l lost.
local queue, now = queue_at(1), time(ARGV[1])
local ends = now + ARGV[2]
local ids = {}
for at = 3, #ARGV, 3 do
  ids[#ids + 1] = ARGV[at]
end
local found = call('HMGET', queue.leases, unpack(ids))
local leases, running, outputs, letters = {}, {}, {}, {}
for i = 1, #ids do
  local id, begin, live, lease = ids[i], ARGV[3 * i + 1], ARGV[3 * i + 2], found[i]
  letters[i] = 'l'
  if lease and sub(lease, 1, #begin) == begin then
    letters[i] = sub(lease, -13) == STOP and 's' or 'h'
    local token, rest = match(begin, '^{"token":"(.*)","version":"$'), find(lease, '","', #begin + 1, true)
    leases[#leases + 1], leases[#leases + 2] = id, begin .. token .. '~' .. ends .. sub(lease, rest)
    running[#running + 1], running[#running + 2] = ends, id
    if live ~= '' then
      outputs[#outputs + 1], outputs[#outputs + 2] = id, live
    end
  end
end
many('HSET', queue.leases, leases)
many('ZADD', queue.running, running)
many('HSET', queue.outputs, outputs)
return {now, table.concat(letters)}
