// What the cases have in common.

import { isDeepStrictEqual } from "node:util";
import { status } from "@grpc/grpc-js";
import type { Client } from "../client.js";
import { ParityError } from "../errors.js";

/** What a case works with. */
export interface Context {
  readonly parity: Client;
  readonly addr: string;
  readonly dir: string;
  readonly row: string;
  readonly idBase: number;
  readonly tlsCa: string | undefined;
  readonly token: string | undefined;
}

/** Rejects if the case fails. What it resolves to is printed. */
export type Case = (context: Context) => Promise<unknown>;

/** This row cannot have the case. */
export class ImpossibleError extends Error {}

/** Fails unless got is want. */
export function equal(got: unknown, want: unknown, what: string): void {
  if (!isDeepStrictEqual(got, want)) {
    throw new Error(`${what}: got ${text(got)}, want ${text(want)}`);
  }
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/** Fails unless the condition holds. */
export function ok(condition: boolean, what: string): asserts condition {
  if (!condition) {
    throw new Error(what);
  }
}

/** Fails unless the promise rejects with that ParityError, which it returns. */
export async function fails(
  promise: Promise<unknown>,
  code: status,
  reason: string,
): Promise<ParityError> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    if (!(error instanceof ParityError)) {
      throw error;
    }
    equal([status[error.code], error.reason], [status[code], reason], "status and reason");
    equal(error.domain, reason && "parity", "domain of the reason");
    return error;
  }
  throw new Error(`no error, got ${text(result)}, want ${status[code]} ${reason}`);
}

/** Returns the content of a .bin file: byte i is i modulo 251. */
export function content(size: number): Buffer {
  return Buffer.alloc(size, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
}
