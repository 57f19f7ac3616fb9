import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Client } from "../src/client.js";
import { count, intervals } from "../src/counter.js";
import type { Count, Fake } from "../src/driver/fake.js";
import { ParityError } from "../src/errors.js";
import { LostError } from "../src/session.js";
import { newFake } from "./setup.js";

intervals.report = 10;
intervals.draw = [30, 30];

/** Keeps the record of one client. */
class Record {
  value = "0";
  increment = 1;
  sessions = 0;
  loseAfter = Number.POSITIVE_INFINITY;
  confirm = true;
  private reports = 0;

  readonly count: Count = (request) => {
    const { kind } = request ?? {};
    switch (kind?.case) {
      case "registration":
        this.sessions++;
        this.reports = 0;
        return { case: "registered", value: { value: this.value, increment: this.increment } };
      case "draw":
        this.increment = 40;
        return { case: "increment", value: { number: 40 } };
      case "report":
        this.value = kind.value.value;
        this.reports++;
        if (this.reports === this.loseAfter) {
          this.loseAfter = Number.POSITIVE_INFINITY;
          return "end";
        }
        return undefined;
      default: {
        const value = { reports: String(this.reports), value: this.value };
        return this.confirm ? { case: "committed", value } : undefined;
      }
    }
  };
}

async function setup(t: TestContext): Promise<{ fake: Fake; record: Record }> {
  const fake = await newFake(t);
  const record = new Record();
  fake.count = record.count;
  return { fake, record };
}

/** Counts that many values. */
async function run({ client }: Fake, values: number) {
  const stop = new AbortController();
  const seen: [bigint, number][] = [];
  const notices: string[] = [];
  const last = await count(client, 7, {
    signal: stop.signal,
    notice: (line) => notices.push(line),
    counted: (value, increment) => {
      if (seen.push([value, increment]) === values) {
        stop.abort();
      }
    },
  });
  return { seen, notices, last };
}

test("counts and draws", async (t) => {
  const { fake } = await setup(t);
  const { seen, notices, last } = await run(fake, 20);
  let value = 0n;
  for (const [got, increment] of seen) {
    value += BigInt(increment);
    assert.equal(got, value);
  }
  assert.deepEqual([seen[0]?.[1], seen.at(-1)?.[1]], [1, 40]);
  assert.deepEqual([last.reports, last.value], [String(seen.length), String(value)]);
  assert.deepEqual(notices, []);
});

test("goes on after a lost session", async (t) => {
  const { fake, record } = await setup(t);
  record.loseAfter = 3;
  const { seen, notices, last } = await run(fake, 10);
  assert.equal(record.sessions, 2);
  assert.equal(last.value, record.value);
  assert.equal(last.value, String(seen.at(-1)?.[0]));
  assert.ok(Number(last.reports) < seen.length);
  assert.match(notices[0] ?? "", /^not connected: the server ended the session; trying again/);
  assert.match(notices.at(-1) ?? "", /^connected again, going on from /);
});

test("wraps at the end of 64 bits", async (t) => {
  const { fake, record } = await setup(t);
  record.value = String(2n ** 63n - 1n);
  const { last } = await run(fake, 1);
  assert.equal(last.value, String(-(2n ** 63n)));
});

test("reports that are not confirmed are an error", async (t) => {
  const { fake, record } = await setup(t);
  record.confirm = false;
  await assert.rejects(run(fake, 3), (error) => {
    assert.ok(error instanceof LostError);
    assert.match(error.message, /0 of 3 reports were confirmed/);
    return true;
  });
});

test("fails if it cannot connect at first", async (t) => {
  const client = new Client("localhost:1");
  t.after(() => client.close());
  const { signal } = new AbortController();
  await assert.rejects(count(client, 7, { signal }), ParityError);
});
