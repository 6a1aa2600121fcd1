-- Removes what is left of ids that have no row (any more). ARGV: ids.
local queue = queue_at(1)
for i = 1, #ARGV do
  if call('HEXISTS', queue.jobs, ARGV[i]) == 0 then
    for _, index in ipairs(INDEXES) do
      call('ZREM', queue[index], ARGV[i])
    end
    for _, part in ipairs({'payloads', 'leases', 'outputs'}) do
      call('HDEL', queue[part], ARGV[i])
    end
  end
end
return 1
