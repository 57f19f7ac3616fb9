// Cases of List and Stat.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { type File, type ListResponse, Source } from "../gen/parity/files/v1/files_pb.js";
import { fetchRange } from "../ranges.js";
import { type Case, type Context, equal, fails, ok } from "./case.js";

const CACHE_BYTES = 64 << 20;
const DAY = 24 * 60 * 60 * 1000;

const names = (files: File[]) => files.map((file) => file.name);

async function all<T>(of: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of of) {
    items.push(item);
  }
  return items;
}

async function listCache({ parity }: Context): Promise<void> {
  await fetchRange(parity, "small.txt");
  const pages: ListResponse[] = await all(parity.pages({ source: Source.UNSPECIFIED }));
  const file = pages.flatMap((page) => page.files).find(({ name }) => name === "small.txt");
  equal([file?.cached, file?.sizeBytes], [true, "32"], "cached and size of small.txt");
  const last = pages.at(-1);
  ok(Number(last?.cacheUsedBytes) > 0, "the cache is empty");
  equal(last?.cacheCapacityBytes, String(CACHE_BYTES), "capacity of the cache");
}

async function listPaged({ parity }: Context): Promise<void> {
  const options = { source: Source.DIRECTORY, prefix: "page/", pageSize: 10 };
  const pages = await all(parity.pages(options));
  equal(
    pages.map((page) => page.files.length),
    [10, 10, 5],
    "files of the pages",
  );
  const want = Array.from({ length: 25 }, (_, i) => `page/${String(i).padStart(3, "0")}`);
  equal(names(pages.flatMap((page) => page.files)), want, "names");
}

async function listPrefix({ parity }: Context): Promise<void> {
  const below = ["dir/a.txt", "dir/b.txt", "dir/sub/c.txt"];
  const list = async (prefix: string) =>
    names(await all(parity.list({ source: Source.DIRECTORY, prefix })));
  equal(await list("dir/"), below, "names with dir/");
  equal(await list("dir"), [...below, "dirt.txt"], "names with dir");
}

async function stat({ parity }: Context): Promise<void> {
  const file = await parity.stat("größe.txt");
  equal(file.sizeBytes, "7", "size");
  const modified = file.modified ? timestampDate(file.modified).getTime() : 0;
  ok(Math.abs(Date.now() - modified) < DAY, "modified more than a day away");
  ok(file.version !== "", "no version");
  await fails(parity.stat("nope"), status.NOT_FOUND, "FILE_NOT_FOUND");
  for (let i = 0; i < 2; i++) {
    equal((await parity.stat("dir/sub/c.txt")).cached, false, "cached after Stat");
  }
}

export const cases: Record<string, Case> = {
  list_cache: listCache,
  list_paged: listPaged,
  list_prefix: listPrefix,
  stat,
};
