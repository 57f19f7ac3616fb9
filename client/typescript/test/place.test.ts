import assert from "node:assert/strict";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { below, ExistsError, links, put } from "../src/place.js";
import { newDirectory } from "./setup.js";

const good = { a: "a", "dir/a b": "dir/a b", "größe/...": "größe/...", "a\x1b[2J\n": "a_[2J_" };
for (const [name, want] of Object.entries(good)) {
  test(`${JSON.stringify(name)} is below the directory`, async (t) => {
    const dir = await newDirectory(t);
    assert.equal(await below(dir, name), path.join(dir, want));
  });
}

const bad = ["", "/", "/etc/passwd", "..", "../a", "a/../../b", "a/..", "a//b", "a/", ".", "./a"];
for (const name of bad) {
  test(`${JSON.stringify(name)} is refused`, async (t) => {
    await assert.rejects(below(await newDirectory(t), name), /no name for a file/);
  });
}

test("a link must not lead out", async (t) => {
  const dir = await newDirectory(t);
  const downloads = path.join(dir, "downloads");
  await mkdir(path.join(downloads, "inside"), { recursive: true });
  await mkdir(path.join(dir, "downloads-2"));
  await symlink("inside", path.join(downloads, "in"));
  await symlink("..", path.join(downloads, "out"));
  await symlink("../downloads-2", path.join(downloads, "beside"));
  assert.equal(await below(downloads, "in/a"), path.join(downloads, "in", "a"));
  for (const name of ["out/a", "out/new/a", "beside/a"]) {
    await assert.rejects(below(downloads, name), /leads out/);
  }
});

test("put keeps a file without hard links, too", async (t) => {
  const dir = await newDirectory(t);
  const { link } = links;
  links.link = async () => {
    throw new Error("no hard links here");
  };
  t.after(() => {
    links.link = link;
  });
  const [part, to] = [path.join(dir, "part"), path.join(dir, "file")];
  await writeFile(part, "new");
  await put(part, to, false);
  assert.equal(await readFile(to, "utf8"), "new");
  await writeFile(part, "newer");
  await assert.rejects(put(part, to, false), ExistsError);
  assert.equal(await readFile(to, "utf8"), "new");
  assert.deepEqual(await readdir(dir), ["file", "part"]);
});
