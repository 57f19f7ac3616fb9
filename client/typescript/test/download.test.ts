import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { copy, download } from "../src/download.js";
import { CONTENT, damaged, type Fake, file, type Get, healthy } from "../src/driver/fake.js";
import { ChecksumError } from "../src/errors.js";
import { ExistsError } from "../src/place.js";
import { limits, MAX_DAMAGED } from "../src/ranges.js";
import { newDirectory, newFake } from "./setup.js";

limits.rangeBytes = 5; // CONTENT has four ranges

async function setup(t: TestContext): Promise<{ fake: Fake; dir: string; to: string }> {
  const dir = await newDirectory(t);
  return { fake: await newFake(t), dir, to: path.join(dir, "file") };
}

/** Answers well below an offset. */
function failingFrom(offset: number, bad: Get): Get {
  return (request) => (Number(request.offset) < offset ? healthy(request) : bad(request));
}

const incomplete: Get = (request) => healthy(request).slice(0, 1);
const short: Get = (request) => healthy({ ...request, limit: String(Number(request.limit) - 1) });
const long: Get = (request) => healthy({ ...request, limit: String(Number(request.limit) + 1) });

/** Sends the checksum of another whole file. */
const otherFile: Get = (request) =>
  healthy(request).map((response) =>
    response.fileCrc32c === undefined
      ? response
      : { ...response, fileCrc32c: (response.fileCrc32c ^ 1) >>> 0 },
  );

test("a whole file", async (t) => {
  const { fake, dir, to } = await setup(t);
  const seen: number[] = [];
  const done = await download(fake.client, "file", to, { progress: (n) => seen.push(n) });
  assert.deepEqual(await readFile(to), CONTENT);
  assert.deepEqual(await readdir(dir), ["file"]);
  assert.deepEqual(done, { size: CONTENT.length, resumed: 0, version: "v1", whole: true });
  assert.deepEqual(seen, [5, 10, 15, 17]);
  assert.ok(fake.requests.every((request) => request.version === "v1"));
});

for (const [what, bad] of Object.entries({ damaged, incomplete, short, long })) {
  test(`nothing is kept of a response that is ${what}`, async (t) => {
    const { fake, dir, to } = await setup(t);
    fake.get = bad;
    await assert.rejects(download(fake.client, "file", to), ChecksumError);
    assert.deepEqual(await readdir(dir), []);
    assert.equal(fake.requests.length, 1 + MAX_DAMAGED);
  });
}

test("damage is repaired", async (t) => {
  const { fake, to } = await setup(t);
  fake.get = (request) => (fake.requests.length === 2 ? damaged(request) : healthy(request));
  const notices: string[] = [];
  await download(fake.client, "file", to, { notice: (line) => notices.push(line) });
  assert.deepEqual(await readFile(to), CONTENT);
  assert.deepEqual(
    fake.requests.map((request) => request.offset),
    ["0", "5", "5", "10", "15"],
  );
  assert.equal(notices.length, 1);
});

test("the checksum of the whole file decides", async (t) => {
  const { fake, dir, to } = await setup(t);
  fake.get = otherFile;
  await assert.rejects(download(fake.client, "file", to), /whole file/);
  assert.deepEqual(await readdir(dir), []);
});

test("a download resumes", async (t) => {
  const { fake, dir, to } = await setup(t);
  fake.get = failingFrom(10, damaged);
  await assert.rejects(download(fake.client, "file", to), ChecksumError);
  assert.ok(!(await readdir(dir)).includes("file"));
  fake.get = healthy;
  fake.requests.length = 0;
  const done = await download(fake.client, "file", to);
  assert.deepEqual(await readFile(to), CONTENT);
  // The last range of what was kept is fetched again.
  assert.deepEqual([done.resumed, fake.requests[0]?.offset], [5, "5"]);
});

test("an aborted download resumes", async (t) => {
  const { fake, to } = await setup(t);
  const stop = new AbortController();
  const progress = (n: number) => n === 10 && stop.abort();
  await assert.rejects(download(fake.client, "file", to, { signal: stop.signal, progress }));
  const done = await download(fake.client, "file", to);
  assert.equal(done.resumed, 5);
  assert.deepEqual(await readFile(to), CONTENT);
});

test("damage of the kept part is found", async (t) => {
  const { fake, dir, to } = await setup(t);
  fake.get = failingFrom(10, damaged);
  await assert.rejects(download(fake.client, "file", to), ChecksumError);
  const [kept] = await readdir(dir);
  assert.ok(kept);
  await writeFile(path.join(dir, kept), "X", { flag: "r+" });
  fake.get = healthy;
  await assert.rejects(download(fake.client, "file", to), /whole file/);
  await download(fake.client, "file", to);
  assert.deepEqual(await readFile(to), CONTENT);
});

test("another version starts again", async (t) => {
  const { fake, dir, to } = await setup(t);
  fake.get = failingFrom(10, damaged);
  await assert.rejects(download(fake.client, "file", to), ChecksumError);
  fake.stat = () => file("v2");
  fake.get = healthy;
  fake.requests.length = 0;
  const done = await download(fake.client, "file", to);
  const [first] = fake.requests;
  assert.deepEqual([done.resumed, first?.offset, first?.version], [0, "0", "v2"]);
  assert.deepEqual(await readdir(dir), ["file"]);
});

test("an existing file stays", async (t) => {
  const { fake, to } = await setup(t);
  await writeFile(to, "mine");
  await assert.rejects(download(fake.client, "file", to), ExistsError);
  assert.equal(await readFile(to, "utf8"), "mine");
  assert.deepEqual(fake.requests, []);
  await download(fake.client, "file", to, { force: true });
  assert.deepEqual(await readFile(to), CONTENT);
});

test("a file that appears meanwhile stays", async (t) => {
  const { fake, to } = await setup(t);
  fake.get = (request) => {
    writeFileSync(to, "mine");
    return healthy(request);
  };
  await assert.rejects(download(fake.client, "file", to), ExistsError);
  assert.equal(await readFile(to, "utf8"), "mine");
});

test("a link to nowhere stays", async (t) => {
  const { fake, to } = await setup(t);
  await symlink("nowhere", to);
  await assert.rejects(download(fake.client, "file", to), ExistsError);
  assert.ok((await lstat(to)).isSymbolicLink());
});

test("a directory stays", async (t) => {
  const { fake, to } = await setup(t);
  await mkdir(to);
  await assert.rejects(download(fake.client, "file", to, { force: true }), ExistsError);
});

test("a copy has nothing that was not verified", async (t) => {
  const { fake } = await setup(t);
  const whole = new PassThrough();
  await copy(fake.client, "file", whole);
  assert.deepEqual(await buffer(whole.end()), CONTENT);
  fake.get = failingFrom(5, damaged);
  const part = new PassThrough();
  await assert.rejects(copy(fake.client, "file", part), ChecksumError);
  assert.deepEqual(await buffer(part.end()), CONTENT.subarray(0, 5));
});
