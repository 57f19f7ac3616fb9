import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { Client } from "../src/client.js";
import type { Fake } from "../src/driver/fake.js";
import { ParityError } from "../src/errors.js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
  StatusSchema,
} from "../src/gen/google/rpc/details_pb.js";
import { fetchRange, retriable, retryDelay } from "../src/ranges.js";
import { printable } from "../src/terminal.js";
import { newFake } from "./setup.js";

function pack<D extends DescMessage>(desc: D, init: MessageInitShape<D>): Any {
  return anyPack(desc, create(desc, init));
}

/** Returns the error of a Get that fails with a status. */
async function errorOf(fake: Fake, code: status, message: string, ...details: Any[]) {
  const metadata = new Metadata();
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code, message, details }));
  metadata.set("grpc-status-details-bin", Buffer.from(bytes));
  fake.get = () => {
    throw Object.assign(new Error(message), { code, details: message, metadata });
  };
  const error = await fetchRange(fake.client, "file").catch((e: unknown) => e);
  assert.ok(error instanceof ParityError);
  return error;
}

test("the reason of an error", async (t) => {
  const error = await errorOf(
    await newFake(t),
    status.INVALID_ARGUMENT,
    "name: must not be empty",
    pack(ErrorInfoSchema, { reason: "INVALID_NAME", domain: "parity" }),
    pack(BadRequestSchema, {
      fieldViolations: [{ field: "name", description: "must not be empty" }],
    }),
  );
  assert.equal(error.message, "name: must not be empty (INVALID_NAME)");
  assert.deepEqual([error.code, error.domain], [status.INVALID_ARGUMENT, "parity"]);
  assert.deepEqual(
    error.violations.map(({ field, description }) => [field, description]),
    [["name", "must not be empty"]],
  );
  assert.ok(!retriable(error));
});

test("the delay of a retry", async (t) => {
  const fake = await newFake(t);
  const info = pack(ErrorInfoSchema, { reason: "SEND_STALLED", domain: "parity" });
  const delayed = (seconds: bigint, nanos: number) =>
    errorOf(
      fake,
      status.RESOURCE_EXHAUSTED,
      "too slow",
      info,
      pack(RetryInfoSchema, { retryDelay: { seconds, nanos } }),
    );
  const error = await delayed(2n, 500_000_000);
  assert.equal(error.retryAfter, 2500);
  assert.ok(retriable(error));
  assert.equal(retryDelay(error, 0), 2500);
  assert.equal(retryDelay(await delayed(3600n, 0), 0), 30_000);
});

test("an error without a reason", async (t) => {
  const error = await errorOf(await newFake(t), status.RESOURCE_EXHAUSTED, "something else");
  assert.equal(error.message, "something else (RESOURCE_EXHAUSTED)");
  assert.ok(!retriable(error));
});

test("no server", async (t) => {
  const client = new Client("localhost:1");
  t.after(() => client.close());
  await assert.rejects(client.draw(), (error) => {
    assert.ok(error instanceof ParityError && error.unreachable);
    assert.equal(error.message, "connection refused (UNAVAILABLE)");
    return true;
  });
});

test("text for a terminal", () => {
  assert.equal(printable("größe 1\x1b[31m\n\u202e"), "größe 1\\u{1b}[31m\\u{a}\\u{202e}");
});
