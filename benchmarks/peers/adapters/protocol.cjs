// The language of protocol.py, and the records of starts.py, for the adapters that Node runs.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const PAYLOAD = { x: "a".repeat(191) };
const STORE = process.env.BENCH_STORE;
const FOLDER = process.env.BENCH_STARTS;
const HOLD_SECONDS = 600;
const LATENCY_LIMIT = 30;

const now = () => Number(process.hrtime.bigint()) / 1e9;
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

const record = Buffer.alloc(24);
let count = 0;
let fd = -1;
let noting = null;

async function started(payload) {
  if (payload.hold) return held(payload.hold);
  const at = now();
  if (fd < 0) {
    fd = fs.openSync(path.join(FOLDER, String(process.pid)), "w");
    record.writeDoubleLE(at, 8);
  }
  record.writeDoubleLE(++count, 0);
  record.writeDoubleLE(at, 16);
  if (!noting) noting = setTimeout(note, 5); // Node cannot map a file, and a system call for each job would be part of every rate
}

function note() {
  noting = null;
  fs.writeSync(fd, record, 0, 24, 0);
}

async function held(file) {
  const first = !fs.existsSync(file) || fs.statSync(file).size === 0;
  fs.appendFileSync(file, `${now()} ${process.pid}\n`);
  if (first) await sleep(HOLD_SECONDS);
}

function soFar() {
  let total = 0;
  let last = 0;
  for (const name of fs.readdirSync(FOLDER)) {
    const data = fs.readFileSync(path.join(FOLDER, name));
    if (data.length !== 24) continue;
    total += data.readDoubleLE(0);
    last = Math.max(last, data.readDoubleLE(16));
  }
  return [total, last];
}

function* batches(count, size = 1000) {
  for (let left = count; left > 0; left -= size) yield Array(Math.min(size, left)).fill(PAYLOAD);
}

async function latency(enqueue) {
  await sleep(0.06 + 0.06 * Math.random());
  const [before] = soFar();
  const sent = now();
  await enqueue(PAYLOAD);
  while (now() - sent < LATENCY_LIMIT) {
    await sleep(0.04);
    const [total, last] = soFar();
    if (total > before) return last - sent;
  }
  throw new Error(`a job did not start within ${LATENCY_LIMIT} s`);
}

async function produce(producer, command, argument) {
  const [enqueue, enqueueMany] = await producer();
  if (command === "hold") {
    await enqueue({ ...PAYLOAD, hold: argument });
    return {};
  }
  const jobs = Number(argument) - 1;
  if (command === "latency") {
    const latencies = [];
    for (let n = 0; n <= jobs; n++) latencies.push(await latency(enqueue));
    return { latencies };
  }
  await enqueue(PAYLOAD);
  const began = now();
  if (command === "enqueue-one") for (let n = 0; n < jobs; n++) await enqueue(PAYLOAD);
  else await enqueueMany(jobs);
  return { seconds: now() - began, jobs };
}

async function main({ packages, producer, worker, setup }) {
  const [command, argument] = process.argv.slice(2);
  if (command === "worker") return worker();
  let answer = {};
  if (command === "about") {
    const versions = { node: process.versions.node };
    for (const name of packages) versions[name] = versionOf(name);
    answer = { versions, pool: false, look: null };
  } else if (command === "setup") await setup?.();
  else answer = await produce(producer, command, argument);
  process.stdout.write(JSON.stringify(answer) + "\n", () => process.exit(0));
}

function versionOf(name) {
  return JSON.parse(fs.readFileSync(path.join(process.env.NODE_PATH, name, "package.json"))).version;
}

module.exports = { STORE, PAYLOAD, batches, main, started };
