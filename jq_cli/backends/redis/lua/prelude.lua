-- The head of every script: where everything of one queue lives, and the steps that several scripts share.
--
-- Keys of a queue are <namespace>:{<queue>}:<part>. The braces put them in one slot of a cluster, so that one script may
-- touch them all; scripts get them in KEYS, in this order, once for each queue they work on. Inserts get those they touch.
--
--   jobs       hash  id -> the row, JSON, its head first: {"generation":0,"priority":0,["version":"..",]"created_at":..,
--                    "ready_at":..,...[,"finished_at":..][,"stop":true]}. Fields with their default value are left out:
--                    a row without a version has its id for one, a row without a state is ready. What a newer version
--                    wrote is kept as it is in a field "body"
--   payloads   hash  id -> the producer's JSON, byte for byte
--   leases     hash  id -> while it runs: {"token":"1.x","version":"1.x","generation":1,"owner":"host:1:ab",
--                    "started_at":..[,"stop":true]}, laid over the row by readers; `running` holds its end
--   outputs    hash  id -> captured output and progress, JSON
--   ready      zset  by -priority * 1e12 + ready_at; equal scores by id
--   scheduled  zset  by ready_at
--   running    zset  by the end of the lease
--   succeeded  zset  by finished_at. Of those in `succeeded` and `cancelled` a queue keeps only the last N
--   cancelled  zset  likewise
--   succeeded_kept, cancelled_kept  zsets  those with a retention of their own, which are not counted
--   dead       zset  by finished_at
--   wake       zset  when a waiting job expires or a finished one is forgotten. An entry of a running job means nothing:
--                    a claim leaves it, `due` drops it
--   keys       hash  dedup:<text>, idempotency:<text> -> {"job":"<id>","until":<ms>|null,"fingerprint":".."[,"outcome":..]}
--   keyends    zset  name of a key by its `until`
--   totals     hash  enqueued, succeeded, failed, dead, recovered, duplicates -> number
--   controls   text  what an operator set, JSON
--
-- Beside the queues: <namespace>:queues, the set of their names, and <namespace>:notes, a hash. Hints are published to
-- <namespace>:{<queue>}:ready and :done. No key has a TTL: the server may not decide what is forgotten.
-- Times are whole ms since the epoch. A script never decodes a row: it reads its head by position.

local call = redis.call
local sub, match, find = string.sub, string.match, string.find

-- The store's time: the server's, or the one given to a backend that was opened with a clock.
local function time(given)
  if given ~= '' then
    return tonumber(given)
  end
  local at = call('TIME')
  return at[1] * 1000 + math.floor(at[2] / 1000)
end

-- A moment or a score as text. Passed as a number, each use of it would be formatted anew.
local function text(number)
  return string.format('%.0f', number)
end

-- One command for many members; an empty list is no command.
local function many(command, key, list)
  if #list > 0 then
    return call(command, key, unpack(list))
  end
  return {}
end

-- Tells watchers to look. Whoever may not publish still may work: watchers poll as well.
local function hint(channel)
  redis.pcall('PUBLISH', channel, '')
end
