// Where a download may be stored.

import { link, lstat, open, realpath, rename, unlink } from "node:fs/promises";
import path from "node:path";

/** What Windows takes for separators, drives or streams. */
const forbidden = process.platform === "win32" ? /[\\:]/ : /[\0]/;

/** A file that must stay is where a download would be stored. */
export class ExistsError extends Error {
  override readonly name = "ExistsError";
}

/**
 * Returns the path for a file of the server below a directory, never above it. The folders
 * of the name are kept. Control characters become "_". Throws if the name leads out of the
 * directory, also through a symbolic link.
 */
export async function below(directory: string, name: string): Promise<string> {
  const parts = name.split("/").map((element) => {
    const local = element.replace(/\p{Cc}/gu, "_");
    if (["", ".", ".."].includes(local) || forbidden.test(local)) {
      throw new Error(`${JSON.stringify(name)} is no name for a file below a directory`);
    }
    return local;
  });
  const root = await resolved(directory);
  const to = path.join(directory, ...parts);
  const parent = await resolved(path.dirname(to));
  if (parent !== root && !parent.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) {
    throw new Error(`${JSON.stringify(name)} leads out of ${JSON.stringify(directory)}`);
  }
  return to;
}

/** Returns a path without symbolic links, as far as it exists. */
async function resolved(file: string): Promise<string> {
  const absolute = path.resolve(file);
  try {
    return await realpath(absolute);
  } catch (error) {
    const parent = path.dirname(absolute);
    // A link to nowhere exists, and is no directory to store a file in.
    if (!isCode(error, "ENOENT") || parent === absolute || (await exists(absolute))) {
      throw error;
    }
    return path.join(await resolved(parent), path.basename(absolute));
  }
}

async function exists(file: string): Promise<boolean> {
  return (await statOf(file)) !== undefined;
}

async function statOf(file: string) {
  try {
    return await lstat(file);
  } catch (error) {
    if (isCode(error, "ENOENT")) {
      return undefined;
    }
    throw error;
  }
}

/** Throws if a download must not be stored at that path. */
export async function check(file: string, force: boolean): Promise<void> {
  const info = await statOf(file);
  if (info === undefined) {
    return;
  }
  if (!info.isFile() && !info.isSymbolicLink()) {
    throw new ExistsError(`${JSON.stringify(file)} is there and is not a file`);
  }
  if (!force) {
    throw new ExistsError(`${JSON.stringify(file)} exists, and stays without force`);
  }
}

/**
 * Moves a complete download to its path, in one step. A file that has appeared there stays,
 * unless force is set.
 */
export async function put(part: string, file: string, force: boolean): Promise<void> {
  await check(file, force);
  if (force) {
    await rename(part, file);
    return;
  }
  try {
    await links.link(part, file); // unlike a rename, fails if the path is taken
  } catch (error) {
    if (!isCode(error, "EEXIST")) {
      await claim(part, file);
      return;
    }
    throw new ExistsError(`${JSON.stringify(file)} exists, and stays without force`);
  }
  await unlink(part);
}

/** The tests replace it. */
export const links = { link };

/** Does the same on a file system without hard links: an empty file claims the path. */
async function claim(part: string, file: string): Promise<void> {
  const empty = await open(file, "wx").catch((error: unknown) => {
    throw isCode(error, "EEXIST") ? new ExistsError(`${JSON.stringify(file)} exists`) : error;
  });
  await empty.close();
  await rename(part, file);
}

/** Whether an error is that of the system with this code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
