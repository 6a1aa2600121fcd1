-- Writes the controls of a queue if they still are what the caller saw. ARGV: what they were, what they shall be. Answers 1 or 0.
local queue = queue_at(1)
if (call('GET', queue.controls) or '') ~= ARGV[1] then
  return 0
end
call('SET', queue.controls, ARGV[2])
hint(queue.ready)
return 1
