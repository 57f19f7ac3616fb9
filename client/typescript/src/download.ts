// Downloads: the whole file, unchanged, or nothing.
//
// A file is fetched in ranges. Each names the version of the file and ends in a checksum,
// and is kept only if that is right. If the server knows the checksum of the whole file, it
// is compared at the end.

import type { Writable } from "node:stream";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { crc32c } from "@node-rs/crc32";
import type { Client } from "./client.js";
import { ChecksumError, ParityError } from "./errors.js";
import type { File } from "./gen/parity/files/v1/files_pb.js";
import { Part } from "./part.js";
import { check, put } from "./place.js";
import { type Notice, ranges, sizeOf } from "./ranges.js";

/** How often a download starts again because the file changed on the server. */
const MAX_RESTARTS = 3;

export interface DownloadOptions {
  /** Replaces an existing file. */
  readonly force?: boolean;
  /** Receives how many bytes have been kept, of how many. */
  readonly progress?: ((done: number, size: number) => void) | undefined;
  /** Receives the reason of a delay, in one line. */
  readonly notice?: Notice;
  /** Ends the download; what has arrived is kept for the next one. */
  readonly signal?: AbortSignal;
}

/** A complete download. Every byte of it was verified. */
export interface Download {
  readonly size: number;
  /** How many of the bytes an earlier, interrupted download had left. */
  readonly resumed: number;
  readonly version: string;
  /** Whether the server's checksum of the whole file was compared, not only the ranges'. */
  readonly whole: boolean;
}

/**
 * Downloads a file to a path, where it appears only when it is complete.
 *
 * An existing file stays and is an ExistsError, unless force is set. Until the end the bytes
 * are in a hidden file beside the path; the next download to the same path resumes there,
 * unless the file has changed on the server.
 *
 * Rejects with ParityError if the server refuses or stays away, with ChecksumError if the
 * data stays damaged, and with errors of the file system.
 */
export async function download(
  from: Client,
  name: string,
  path: string,
  options: DownloadOptions = {},
): Promise<Download> {
  const { force = false, notice = ignore, signal } = options;
  await check(path, force);
  return oneVersion(from, name, notice, async (file) => {
    const size = sizeOf(file);
    const part = await Part.open(path, file.version, size);
    const resumed = part.offset;
    let want: number | undefined;
    try {
      for await (const range of ranges(from, name, file, part.offset, notice, signal)) {
        await part.append(range);
        options.progress?.(part.offset, size);
        want = range.fileCrc32c;
      }
      if (want !== undefined && want !== part.crc) {
        await part.discard();
        throw new ChecksumError("the checksum of the whole file is wrong");
      }
      if (file.modified) {
        await part.stamp(timestampDate(file.modified));
      }
      await put(part.path, path, force);
    } finally {
      await part.close();
    }
    return { size, resumed, version: file.version, whole: want !== undefined };
  });
}

/** Writes a file to a stream. A range is written when it has been verified. */
export async function copy(
  from: Client,
  name: string,
  out: Writable,
  options: DownloadOptions = {},
): Promise<Download> {
  const { notice = ignore, signal } = options;
  let written = false;
  return oneVersion(
    from,
    name,
    notice,
    async (file) => {
      let crc = 0;
      let want: number | undefined;
      for await (const range of ranges(from, name, file, 0, notice, signal)) {
        for (const chunk of range.chunks) {
          written = true;
          await write(out, chunk);
          crc = crc32c(chunk, crc);
        }
        want = range.fileCrc32c;
      }
      if (want !== undefined && want !== crc) {
        throw new ChecksumError("the checksum of the whole file is wrong");
      }
      return { size: sizeOf(file), resumed: 0, version: file.version, whole: want !== undefined };
    },
    () => written,
  );
}

function write(out: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    out.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

/** Attempts a download, and again if the file changed, unless the last one was final. */
async function oneVersion<T>(
  from: Client,
  name: string,
  notice: Notice,
  attempt: (file: File) => Promise<T>,
  final = () => false,
): Promise<T> {
  for (let restarts = 0; ; restarts++) {
    const file = await from.stat(name);
    try {
      return await attempt(file);
    } catch (error) {
      const changed =
        error instanceof ParityError && ["VERSION_MISMATCH", "FILE_CHANGED"].includes(error.reason);
      if (!changed || restarts === MAX_RESTARTS || final()) {
        throw error;
      }
      notice(`${error.message}; starting again with the new version`);
    }
  }
}

function ignore(): void {}
