-- What the keys of a queue hold about some ids: rows, payloads, leases, ends of leases, wake-ups; each a list like `ids`.
local function read_rows(queue, ids)
  if #ids == 0 then
    return {}, {}, {}, {}, {}
  end
  return call('HMGET', queue.jobs, unpack(ids)), call('HMGET', queue.payloads, unpack(ids)),
         call('HMGET', queue.leases, unpack(ids)), call('ZMSCORE', queue.running, unpack(ids)),
         call('ZMSCORE', queue.wake, unpack(ids))
end
