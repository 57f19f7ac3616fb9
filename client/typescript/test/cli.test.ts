import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CONTENT } from "../src/driver/fake.js";
import { newDirectory, newFake } from "./setup.js";

const cli = fileURLToPath(new URL("../src/cli.js", import.meta.url));

function parity(args: string[], env = {}) {
  return new Promise<{ status: unknown; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { ...process.env, ...env } };
    execFile(process.execPath, [cli, ...args], options, (error, stdout, stderr) => {
      resolve({ status: error ? error.code : 0, stdout, stderr });
    });
  });
}

test("get", async (t) => {
  const { addr } = await newFake(t);
  const dir = await newDirectory(t);
  const json = await parity(["--addr", addr, "--json", "get", "dir/file", "-d", dir]);
  assert.deepEqual([json.status, json.stderr], [0, ""]);
  const record = JSON.parse(json.stdout);
  assert.deepEqual([record.bytes, record.verified], [CONTENT.length, "file"]);
  assert.deepEqual(await readFile(path.join(dir, "dir", "file")), CONTENT);

  const several = await parity(["--addr", addr, "get", "dir/file", "../file", "new", "-d", dir]);
  assert.equal(several.status, 1);
  assert.match(several.stderr, /exists.*no name for a file/s);
  assert.match(several.stdout, /new: 17 bytes, checksum right/);

  const stdout = await parity(["--addr", addr, "get", "file", "-o", "-"]);
  assert.deepEqual([stdout.status, stdout.stdout], [0, CONTENT.toString()]);
  assert.equal((await parity(["--addr", addr, "get", "a", "b", "-o", "x"])).status, 2);
});

test("list", async (t) => {
  const { addr } = await newFake(t);
  const { status, stdout } = await parity(["--addr", addr, "list", "--all"]);
  assert.deepEqual([status, stdout], [0, "            17   file\n"]);
});

test("count stops on SIGINT", async (t) => {
  const { addr } = await newFake(t);
  const child = execFile(process.execPath, [cli, "--addr", addr, "count", "--id", "7"]);
  let stderr = "";
  child.stderr?.on("data", (text: string) => {
    stderr += text;
  });
  child.stdout?.once("data", () => child.kill("SIGINT"));
  const status = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(status, 0, stderr);
});

test("wrong usage and no server", async () => {
  assert.equal((await parity(["nothing"])).status, 2);
  assert.equal((await parity(["count", "--id", "x"])).status, 2);
  const { status, stderr } = await parity(["--addr", "localhost:1", "list"]);
  assert.equal(status, 1);
  assert.equal(
    stderr,
    "parity: cannot reach localhost:1: connection refused (UNAVAILABLE); is the server running?\n",
  );
});

test("a token", async (t) => {
  const fake = await newFake(t);
  const file = path.join(await newDirectory(t), "token");
  await writeFile(file, "secret\n");
  const sent = await parity(["--addr", fake.addr, "--token-file", file, "draw"]);
  assert.deepEqual([sent.status, fake.authorization], [0, ["Bearer secret"]]);
  const refused = await parity(["--addr", "192.0.2.1:1", "draw"], { PARITY_TOKEN: "secret" });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /only over TLS/);
});
