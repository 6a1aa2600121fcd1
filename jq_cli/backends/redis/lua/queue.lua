-- For scripts that work on whole queues: the keys of each, by part.
local PARTS = {'jobs', 'payloads', 'leases', 'outputs', 'ready', 'scheduled', 'running', 'succeeded', 'cancelled',
               'succeeded_kept', 'cancelled_kept', 'dead', 'wake', 'keys', 'keyends', 'totals', 'controls'}
local INDEXES = {'ready', 'scheduled', 'running', 'succeeded', 'cancelled', 'succeeded_kept', 'cancelled_kept', 'dead', 'wake'}
local STEP = 1000 -- rows that one step handles at most; Lua can pass some 8,000 arguments to a command
local STOP = ',"stop":true}'

-- The keys of the nth queue in KEYS, by part.
local function queue_at(n)
  local queue, at = {}, (n - 1) * #PARTS
  for i = 1, #PARTS do
    queue[PARTS[i]] = KEYS[at + i]
  end
  queue.done = sub(queue.jobs, 1, -5) .. 'done'
  return queue
end
