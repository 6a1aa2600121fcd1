-- Writes a field of a hash if it still is what the caller saw. KEYS: the hash. ARGV: field, whether it was there ('1'), what it
-- was, whether it shall be there, what it shall be. Answers 1 or 0.
local there = redis.call('HGET', KEYS[1], ARGV[1])
if (there or '') ~= ARGV[3] or (there and '1' or '') ~= ARGV[2] then
  return 0
end
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1
