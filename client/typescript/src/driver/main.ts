// Runs one case of the interop suite: exit status 0 passed, 1 failed, 3 impossible.

import { parseArgs } from "node:util";
import { Client } from "../client.js";
import type { Case } from "./case.js";
import { ImpossibleError } from "./case.js";
import { cases as connection } from "./connection.js";
import { cases as counting } from "./counting.js";
import { cases as getting } from "./getting.js";
import { cases as listing } from "./listing.js";

/** Milliseconds after which the driver gives up. */
const TIMEOUT = 25_000;
const FAILED = 1;
const IMPOSSIBLE = 3;

const cases: Record<string, Case> = { ...counting, ...listing, ...getting, ...connection };

async function main(): Promise<number> {
  const { values: args } = parseArgs({
    options: {
      case: { type: "string", default: "" },
      addr: { type: "string", default: "" },
      dir: { type: "string", default: "" },
      row: { type: "string", default: "typescript" },
      "id-base": { type: "string", default: "0" },
      "tls-ca": { type: "string" },
      token: { type: "string" },
    },
  });
  const run = cases[args.case];
  if (run === undefined) {
    throw new Error(`there is no case ${JSON.stringify(args.case)}`);
  }
  const { addr, dir, row, token, "tls-ca": tlsCa } = args;
  const parity = new Client(addr, { tlsCa, token });
  try {
    const idBase = Number(args["id-base"]);
    const result = await run({ parity, addr, dir, row, idBase, tlsCa, token });
    if (result !== undefined) {
      console.log(result);
    }
    return 0;
  } catch (error) {
    if (error instanceof ImpossibleError) {
      console.log(error.message);
      return IMPOSSIBLE;
    }
    throw error;
  } finally {
    parity.close();
  }
}

setTimeout(() => {
  console.error(`not done after ${TIMEOUT / 1000} s`);
  process.exit(FAILED);
}, TIMEOUT).unref();
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = FAILED;
}
