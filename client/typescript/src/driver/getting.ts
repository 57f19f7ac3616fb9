// Cases of Get.

import { mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { status } from "@grpc/grpc-js";
import { crc32c } from "@node-rs/crc32";
import { download } from "../download.js";
import { ChecksumError, ParityError } from "../errors.js";
import { FileService, type GetResponse } from "../gen/parity/files/v1/files_pb.js";
import { fetchRange, type Range, receiveRange } from "../ranges.js";
import { serverStream } from "../rpc.js";
import { type Case, type Context, content, equal, fails, ok } from "./case.js";
import { damaged, Fake } from "./fake.js";

const LARGE_BYTES = (5 << 20) + 3;
const CHANGING_BYTES = 48 << 20;
/** Milliseconds of a Get, so that a silent server is an error. */
const CALL_TIMEOUT = 20_000;
/** Milliseconds for which bench_get measures. */
const BENCH_TIME = 3000;

function responses(
  { parity }: Context,
  request: { name: string; offset?: string },
  signal?: AbortSignal,
): AsyncGenerator<GetResponse, void> {
  return serverStream(parity, FileService.method.get, request, { timeout: CALL_TIMEOUT, signal });
}

async function rest(of: AsyncGenerator<GetResponse, void>): Promise<GetResponse[]> {
  const all: GetResponse[] = [];
  for await (const response of of) {
    all.push(response);
  }
  return all;
}

function dataOf(all: GetResponse[]): Buffer {
  return Buffer.concat(all.map((response) => response.data));
}

function joined(...parts: Range[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => part.chunks));
}

async function getSmall(context: Context): Promise<void> {
  const got = await rest(responses(context, { name: "small.txt" }));
  const data = dataOf(got);
  equal(data.toString(), "0123456789abcdef".repeat(2), "content");
  got.forEach(({ file, crc32c: sum }, i) => {
    equal(file !== undefined, i === 0, `file in response ${i}`);
    equal(sum !== undefined, i === got.length - 1, `crc32c in response ${i}`);
  });
  equal(got.at(-1)?.crc32c, crc32c(data), "crc32c");
  equal(got[0]?.file?.sizeBytes, String(data.length), "size");
}

async function getLarge({ parity }: Context): Promise<void> {
  const got = await fetchRange(parity, "large.bin"); // checks crc32c
  const want = content(LARGE_BYTES);
  ok(joined(got).equals(want), "the content is wrong");
  if (got.fileCrc32c !== undefined) {
    equal(got.fileCrc32c, crc32c(want), "file_crc32c");
  }
}

async function getRange(context: Context): Promise<void> {
  const [offset, limit] = [1048573, 7];
  const got = joined(await fetchRange(context.parity, "large.bin", { offset, limit }));
  const want = content(LARGE_BYTES).subarray(offset, offset + limit);
  ok(got.equals(want), "the range is wrong");
  const request = { name: "large.bin", offset: String(LARGE_BYTES) };
  const end = await rest(responses(context, request));
  equal(dataOf(end).length, 0, "data at the end");
  equal(end.at(-1)?.crc32c, 0, "crc32c at the end");
}

async function getResumeVersion({ parity }: Context): Promise<void> {
  const { version } = await parity.stat("large.bin");
  const first = await fetchRange(parity, "large.bin", { limit: 2 << 20, version });
  const second = await fetchRange(parity, "large.bin", { offset: first.size, version });
  ok(joined(first, second).equals(content(LARGE_BYTES)), "the content is wrong");
  const other = fetchRange(parity, "large.bin", { offset: first.size, version: "another" });
  await fails(other, status.ABORTED, "VERSION_MISMATCH");
}

async function getChanged(context: Context): Promise<void> {
  const name = `changing-${context.row}.bin`;
  const file = path.join(context.dir, name);
  const before = content(CHANGING_BYTES);
  await writeFile(file, before);
  const stream = responses(context, { name });
  const first = (await stream.next()).value;
  ok(first?.file !== undefined, "the first response has no file");
  const handle = await open(file, "r+");
  await handle.write(Buffer.alloc(CHANGING_BYTES, 0xff), 0, CHANGING_BYTES, 0);
  await handle.close();
  try {
    const got = dataOf([first, ...(await rest(stream))]);
    ok(got.equals(before), "not the file as it was");
    const old = fetchRange(context.parity, name, { version: first.file.version });
    await fails(old, status.ABORTED, "VERSION_MISMATCH");
  } catch (error) {
    if (!(error instanceof ParityError)) {
      throw error;
    }
    equal([status[error.code], error.reason], ["ABORTED", "FILE_CHANGED"], "end");
  } finally {
    await writeFile(file, before);
  }
}

async function getMissing({ parity }: Context): Promise<void> {
  const messages = new Set<string>();
  for (const name of ["nope", "../etc/passwd", "dir"]) {
    const error = await fails(fetchRange(parity, name), status.NOT_FOUND, "FILE_NOT_FOUND");
    messages.add(error.text);
  }
  equal(messages.size, 1, "different messages");
}

async function getBadName({ parity }: Context): Promise<void> {
  for (const name of ["", "x".repeat(1025)]) {
    const error = await fails(fetchRange(parity, name), status.INVALID_ARGUMENT, "INVALID_NAME");
    equal(
      error.violations.map((violation) => violation.field),
      ["name"],
      "fields that are wrong",
    );
  }
}

async function getOutOfRange({ parity }: Context): Promise<void> {
  await fails(
    fetchRange(parity, "small.txt", { offset: 33 }),
    status.OUT_OF_RANGE,
    "OFFSET_BEYOND_END",
  );
}

async function cancelMidStream(context: Context): Promise<void> {
  const cancel = new AbortController();
  const stream = responses(context, { name: "bench32m.bin" }, cancel.signal);
  await stream.next();
  cancel.abort();
  await fails(rest(stream), status.CANCELLED, "");
  await context.parity.draw();
}

async function checksum(): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), "parity-"));
  const fake = await Fake.start();
  fake.get = damaged;
  try {
    await download(fake.client, "file", path.join(directory, "file"));
  } catch (error) {
    if (!(error instanceof ChecksumError)) {
      throw error;
    }
    equal(await readdir(directory), [], "files that were kept");
    return;
  } finally {
    fake.stop();
    await rm(directory, { recursive: true });
  }
  throw new Error("damaged data was accepted");
}

async function benchGet({ parity }: Context): Promise<number> {
  const fetch = () => receiveRange(parity, "bench32m.bin", () => {});
  await fetch();
  const start = performance.now();
  let size = 0;
  let elapsed = 0;
  while (elapsed < BENCH_TIME) {
    size += (await fetch()).size;
    elapsed = performance.now() - start;
  }
  return Math.round(size / 1e3 / elapsed);
}

export const cases: Record<string, Case> = {
  get_small: getSmall,
  get_large: getLarge,
  get_range: getRange,
  get_resume_version: getResumeVersion,
  get_changed: getChanged,
  get_missing: getMissing,
  get_bad_name: getBadName,
  get_out_of_range: getOutOfRange,
  cancel_mid_stream: cancelMidStream,
  checksum,
  bench_get: benchGet,
};
