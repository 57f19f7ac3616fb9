// Cases of the connection and of the standard services.

import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { compressionAlgorithms } from "@grpc/grpc-js";
import { Client } from "../client.js";
import { ParityError } from "../errors.js";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../gen/grpc/reflection/v1/reflection_pb.js";
import { Health, HealthCheckResponse_ServingStatus } from "../gen/health/v1/health_pb.js";
import { Source } from "../gen/parity/files/v1/files_pb.js";
import { Parity } from "../gen/parity/numbers/v1/numbers_pb.js";
import { fetchRange } from "../ranges.js";
import { bidiStream, unary } from "../rpc.js";
import { Session } from "../session.js";
import { type Case, type Context, content, equal, ok } from "./case.js";
import { Fake } from "./fake.js";

/** Milliseconds of a call. */
const TIMEOUT = 10_000;
const NUMBERS = "parity.numbers.v1.NumberService";
const FILES = "parity.files.v1.FileService";

async function gzip({ addr }: Context): Promise<void> {
  // grpc-js does not tell whether a response was compressed.
  const channel = { "grpc.default_compression_algorithm": compressionAlgorithms.gzip };
  const client = new Client(addr, { channel });
  try {
    equal((await client.draw(Parity.ODD)).number % 2, 1, "parity of the number");
    const names: string[] = [];
    for await (const file of client.list({ source: Source.DIRECTORY, prefix: "dir/" })) {
      names.push(file.name);
    }
    equal(names.length, 3, "files");
    const got = await fetchRange(client, "large.bin", { limit: 1000 });
    ok(Buffer.concat(got.chunks).equals(content(1000)), "the content is wrong");
  } finally {
    client.close();
  }
}

async function tls({ parity, addr, tlsCa }: Context): Promise<void> {
  ok(tlsCa !== undefined, "the case needs --tls-ca");
  await parity.draw();
  const stranger = new Client(addr, { tls: true });
  try {
    await stranger.draw();
  } catch (error) {
    ok(error instanceof ParityError && error.unreachable, `not the certificate: ${error}`);
    ok(/certificate/i.test(error.text), `not the certificate: ${error.text}`);
    return;
  } finally {
    stranger.close();
  }
  throw new Error("the call succeeds without the CA");
}

async function token({ parity, idBase, token: given }: Context): Promise<void> {
  const secret = given ?? "secret";
  const fake = await Fake.start(secret);
  try {
    await fake.client.draw();
    await fetchRange(fake.client, "file");
    (await Session.open(fake.client, idBase + 6)).cancel();
    equal(fake.authorization, Array(3).fill(`Bearer ${secret}`), "authorization of the calls");
  } finally {
    fake.stop();
  }
  await parity.draw();
}

async function health({ parity }: Context): Promise<void> {
  for (const service of ["", NUMBERS]) {
    const { status } = await unary(parity, Health.method.check, { service }, { timeout: TIMEOUT });
    equal(status, HealthCheckResponse_ServingStatus.SERVING, `health of "${service}"`);
  }
}

async function reflection({ parity }: Context): Promise<void> {
  const method = ServerReflection.method.serverReflectionInfo;
  const call = bidiStream(parity, method, { timeout: TIMEOUT });
  const messageRequest = { case: "listServices", value: "*" } as const;
  call.write(create(ServerReflectionRequestSchema, { messageRequest }));
  call.end();
  const [response]: ServerReflectionResponse[] = await once(call, "data");
  ok(response?.messageResponse.case === "listServicesResponse", "no list of services");
  const names = response.messageResponse.value.service.map((service) => service.name);
  ok(
    [NUMBERS, FILES].every((name) => names.includes(name)),
    `the services are ${names}`,
  );
}

export const cases: Record<string, Case> = { gzip, tls, token, health, reflection };
