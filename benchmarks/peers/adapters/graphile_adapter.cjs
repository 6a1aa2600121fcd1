// Graphile Worker: two runners with 24 jobs at a time each, jobs fetched and completed in batches, as its page on speed advises.
"use strict";
process.env.NO_LOG_SUCCESS = "1";
const { makeWorkerUtils, run, WorkerPreset } = require("graphile-worker");
const { STORE, batches, main, started } = require("./protocol.cjs");

async function setup() {
  const utils = await makeWorkerUtils({ connectionString: STORE });
  await utils.migrate();
}

async function producer() {
  const utils = await makeWorkerUtils({ connectionString: STORE });
  const enqueueMany = async (count) => {
    for (const some of batches(count)) await utils.addJobs(some.map((payload) => ({ identifier: "noop", payload })));
  };
  return [(payload) => utils.addJob("noop", payload), enqueueMany];
}

async function worker() {
  const settings = {
    connectionString: STORE,
    concurrentJobs: 24,
    maxPoolSize: 26,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  };
  const preset = { extends: [WorkerPreset], worker: settings };
  await run({ preset, taskList: { noop: (payload) => started(payload) } });
}

main({ packages: ["graphile-worker"], producer, worker, setup });
