// Ranges of a file, each of one version and verified by its checksum.

import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { crc32c } from "@node-rs/crc32";
import { delay } from "./backoff.js";
import { ChecksumError, ParityError } from "./errors.js";
import { type File, FileService, type GetResponse } from "./gen/parity/files/v1/files_pb.js";
import { type Connection, serverStream } from "./rpc.js";

export const limits = {
  /** Bytes of a range: what is held in memory until its checksum is known to be right. */
  rangeBytes: 16 << 20,
};
/** Milliseconds that a range may take, so that a connection without progress is noticed. */
const RANGE_TIMEOUT = 120_000;
/** How often in a row a range is fetched again. A server has about ten seconds to restart. */
const MAX_RETRIES = 7;
/** The same for a range that arrived damaged: whatever does that may do it every time. */
export const MAX_DAMAGED = 2;
/** Milliseconds of a wait that a server may ask for. */
const MAX_RETRY_AFTER = 30_000;

/** Receives the reason of a delay, in one line. */
export type Notice = (line: string) => void;

/** What is known of a part of a file that was verified. */
export interface Verified {
  readonly size: number;
  /** The checksum of the whole file, if the server knows it. */
  readonly fileCrc32c: number | undefined;
}

/** A part of a file that was verified. */
export interface Range extends Verified {
  readonly chunks: readonly Uint8Array[];
}

export interface RangeOptions {
  readonly offset?: number;
  /** How many bytes; 0 is the rest of the file. */
  readonly limit?: number;
  /** Only this version of the file. */
  readonly version?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Fetches a range as receiveRange does, and holds it in memory. */
export async function fetchRange(
  from: Connection,
  name: string,
  options: RangeOptions = {},
): Promise<Range> {
  const chunks: Uint8Array[] = [];
  const take = (chunk: Uint8Array) => chunks.push(chunk);
  const verified = await receiveRange(from, name, take, options);
  return { ...verified, chunks };
}

/**
 * Fetches a range, once. take receives its bytes before they have been verified. Throws
 * ChecksumError if they do not arrive whole.
 */
export async function receiveRange(
  from: Connection,
  name: string,
  take: (chunk: Uint8Array) => void,
  { offset = 0, limit = 0, version = "", signal }: RangeOptions = {},
): Promise<Verified> {
  let size = 0;
  let crc = 0;
  let file: File | undefined;
  let last: GetResponse | undefined;
  const request = { name, offset: String(offset), limit: String(limit), version };
  for await (last of serverStream(from, FileService.method.get, request, {
    timeout: RANGE_TIMEOUT,
    signal,
  })) {
    file ??= last.file;
    size += last.data.length;
    if (limit > 0 && size > limit) {
      throw new ChecksumError(`promised ${limit} bytes at ${offset}, got more`);
    }
    crc = crc32c(last.data, crc);
    take(last.data);
  }
  if (file === undefined || last?.crc32c === undefined) {
    throw new ChecksumError(`the range at byte ${offset} ended early`);
  }
  if (last.crc32c !== crc) {
    throw new ChecksumError(`the checksum of the range at byte ${offset} is wrong`);
  }
  const rest = sizeOf(file) - offset;
  const want = limit > 0 ? Math.min(rest, limit) : rest;
  if (size !== want) {
    throw new ChecksumError(`promised ${want} bytes at ${offset}, got ${size}`);
  }
  return { size, fileCrc32c: last.fileCrc32c };
}

/**
 * Yields the ranges of a version of a file, from offset to its end: at least one. Repeats a
 * range whose connection was lost.
 */
export async function* ranges(
  from: Connection,
  name: string,
  file: File,
  offset: number,
  notice: Notice,
  signal?: AbortSignal,
): AsyncGenerator<Range, void, undefined> {
  const size = sizeOf(file);
  let at = offset;
  let failures = 0;
  do {
    let part: Range;
    try {
      // A range at the end of the file is empty, and has the checksum of the file.
      const limit = limits.rangeBytes;
      part = await fetchRange(from, name, { offset: at, limit, version: file.version, signal });
    } catch (error) {
      const tries = error instanceof ChecksumError ? MAX_DAMAGED : MAX_RETRIES;
      if (signal?.aborted || failures >= tries || !retriable(error)) {
        throw error;
      }
      const wait = retryDelay(error, failures);
      failures++;
      notice(`${error.message}; going on from byte ${at} in ${(wait / 1000).toFixed(1)} s`);
      await sleep(wait, undefined, signal && { signal });
      continue;
    }
    failures = 0;
    at += part.size;
    yield part;
  } while (at < size || failures > 0);
}

/** Returns the size of a file as a number. */
export function sizeOf(file: File): number {
  const size = Number(file.sizeBytes);
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(`a file of ${file.sizeBytes} bytes is too large`);
  }
  return size;
}

/** Whether the same call may succeed later. */
export function retriable(error: unknown): error is ParityError | ChecksumError {
  if (error instanceof ChecksumError) {
    return true;
  }
  if (!(error instanceof ParityError)) {
    return false;
  }
  switch (error.code) {
    case status.RESOURCE_EXHAUSTED:
      return error.retryAfter !== undefined; // otherwise what is exhausted may stay so
    // What a server that goes away, or a proxy before it, makes of a call.
    case status.UNAVAILABLE:
    case status.CANCELLED:
    case status.DEADLINE_EXCEEDED:
    case status.UNKNOWN:
    case status.INTERNAL:
      return true;
    default:
      return false;
  }
}

/** Returns the milliseconds to wait, at least those that the server asks for. */
export function retryDelay(error: ParityError | ChecksumError, failures: number): number {
  const asked = error instanceof ParityError ? (error.retryAfter ?? 0) : 0;
  return Math.max(delay(failures), Math.min(asked, MAX_RETRY_AFTER));
}
