// What the tests have in common.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { waits } from "../src/backoff.js";
import { Fake } from "../src/driver/fake.js";

// Retries at once.
waits.first = 1;
waits.longest = 1;

/** Starts a server for one test. */
export async function newFake(t: TestContext, token?: string): Promise<Fake> {
  const fake = await Fake.start(token);
  t.after(() => fake.stop());
  return fake;
}

/** Makes a directory for one test. */
export async function newDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "parity-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}
