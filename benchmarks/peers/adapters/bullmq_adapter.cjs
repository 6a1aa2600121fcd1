// BullMQ: two workers with 100 jobs at a time each, finished jobs removed.
"use strict";
const { Queue, Worker } = require("bullmq");
const Redis = require("ioredis");
const { STORE, batches, main, started } = require("./protocol.cjs");

const OPTIONS = { removeOnComplete: true };

async function producer() {
  const queue = new Queue("bench", { connection: new Redis(STORE) });
  const enqueue = (payload) => queue.add("noop", payload, OPTIONS);
  const enqueueMany = async (count) => {
    for (const some of batches(count)) await queue.addBulk(some.map((data) => ({ name: "noop", data, opts: OPTIONS })));
  };
  return [enqueue, enqueueMany];
}

function worker() {
  const connection = new Redis(STORE, { maxRetriesPerRequest: null });
  new Worker("bench", (job) => started(job.data), { connection, concurrency: 100 });
}

main({ packages: ["bullmq", "ioredis"], producer, worker });
