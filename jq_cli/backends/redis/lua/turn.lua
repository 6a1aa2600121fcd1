-- Settles changes, then claims. ARGV: now, worker, lease, nonce, limit, idle, how many of the first queues in KEYS to claim
-- from (the others only get changes), shapes (JSON, see settle), then sections of changes: number of the queue, how many,
-- the changes. The ids within one section differ; sections are applied one after the other.
-- Answers now, two letters for each change, what ended the claim, then for each queue that gave jobs: its number, ids, rows,
-- payloads.
local now = time(ARGV[1])
local asked = {worker = ARGV[2], lease = tonumber(ARGV[3]), nonce = ARGV[4], limit = tonumber(ARGV[5]),
               idle = tonumber(ARGV[6]), now = now}
local shapes = cjson.decode(ARGV[8])
for i, shape in ipairs(shapes) do
  shape.final, shape.parts = FINAL[shape.to], shape.width > 2 -- more than id and row
  shapes[tostring(i)] = shape
end

local queues = {}
local function queue_of(n)
  queues[n] = queues[n] or queue_at(n)
  return queues[n]
end

local verdicts, at = {}, 9
while ARGV[at] do
  at = settle(queue_of(tonumber(ARGV[at])), at + 2, tonumber(ARGV[at + 1]), shapes, now, verdicts)
end
for _, queue in pairs(queues) do
  if queue.cap then
    trim(queue, queue.cap)
  end
  if queue.hint_ready then
    hint(queue.ready)
  end
  if queue.hint_done then
    hint(queue.done)
  end
end

local answer, taken, ends = {now, table.concat(verdicts), ''}, 0, nil
for n = 1, tonumber(ARGV[7]) do
  if ends or taken >= asked.limit then
    break
  end
  local ids, rows, payloads
  ids, rows, payloads, ends = claim(queue_of(n), asked, taken)
  if #ids > 0 then
    taken = taken + #ids
    answer[#answer + 1] = {n, ids, rows, payloads}
  end
end
answer[3] = ends or ''
return answer
