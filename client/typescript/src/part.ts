// The hidden file beside the destination that holds an incomplete download.

import { createHash } from "node:crypto";
import { constants, type FileHandle, open, readdir, unlink } from "node:fs/promises";
import path from "node:path";
import { crc32c } from "@node-rs/crc32";
import { isCode } from "./place.js";
import { limits, type Range } from "./ranges.js";

const SUFFIX = ".parity-part";
/** Bytes that are read at once. */
const READ_BYTES = 1 << 20;

/**
 * An incomplete download of one version of a file. Its bytes were verified.
 *
 * The file remains if the download fails or the process dies, for the next download. Its
 * length says where that resumes. Two downloads to one path at a time are harmless: both
 * write the same bytes to the same places.
 */
export class Part {
  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    /** How many bytes it holds. */
    public offset: number,
    /** Their checksum. */
    public crc: number,
  ) {}

  /** Opens the part file for a download of size bytes to a path. */
  static async open(to: string, version: string, size: number): Promise<Part> {
    const directory = path.dirname(to);
    const prefix = `.${hash(path.basename(to))}-`;
    const name = `${prefix}${hash(version)}${SUFFIX}`;
    for (const other of await readdir(directory)) {
      if (other.startsWith(prefix) && other.endsWith(SUFFIX) && other !== name) {
        await remove(path.join(directory, other)); // of a version that is no more
      }
    }
    const file = path.join(directory, name);
    let handle = await openOwn(file);
    try {
      let { size: length } = await handle.stat();
      if (length > size) {
        // Whatever it is, it is not the beginning of that file.
        await handle.close();
        await remove(file);
        handle = await openOwn(file);
        length = 0;
      }
      // The last range may have been lost in a power failure. Nothing is truncated:
      // another download may be writing.
      const kept = length < size ? Math.max(length - limits.rangeBytes, 0) : length;
      return new Part(file, handle, kept, await checksum(handle, kept));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Appends a range. */
  async append(range: Range): Promise<void> {
    for (const chunk of range.chunks) {
      for (let done = 0; done < chunk.length; ) {
        const rest = chunk.length - done;
        const { bytesWritten } = await this.file.write(chunk, done, rest, this.offset + done);
        done += bytesWritten;
      }
      this.crc = crc32c(chunk, this.crc);
      this.offset += chunk.length;
    }
    await this.file.datasync();
  }

  /** Sets the time of modification. */
  async stamp(modified: Date): Promise<void> {
    await this.file.utimes(modified, modified);
  }

  /** Closes the file, which remains unless it is empty. */
  async close(): Promise<void> {
    const { size } = await this.file.stat();
    await this.file.close();
    if (size === 0) {
      await remove(this.path);
    }
  }

  /** Removes the file. */
  discard(): Promise<void> {
    return remove(this.path);
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

async function remove(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (!isCode(error, "ENOENT")) {
      throw error;
    }
  }
}

/** Opens or creates a part file, but no file that somebody else put there. */
async function openOwn(file: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  const handle = await open(file, flags, 0o666);
  const info = await handle.stat();
  if (!info.isFile() || (process.getuid && info.uid !== process.getuid())) {
    await handle.close();
    throw new Error(`${JSON.stringify(file)} is not a file that a download left`);
  }
  return handle;
}

/** Returns the checksum of the first bytes of a file. */
async function checksum(file: FileHandle, length: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(Math.min(length, READ_BYTES));
  let crc = 0;
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(length - at, READ_BYTES), at);
    if (bytesRead === 0) {
      throw new Error("the incomplete download became shorter");
    }
    crc = crc32c(buffer.subarray(0, bytesRead), crc);
    at += bytesRead;
  }
  return crc;
}
