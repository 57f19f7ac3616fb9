// Cases of NumberService.

import { once } from "node:events";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type StatusObject, status } from "@grpc/grpc-js";
import { fromServiceError } from "../errors.js";
import {
  CountRequestSchema,
  type CountResponse,
  type Increment,
  NumberService,
  Parity,
} from "../gen/parity/numbers/v1/numbers_pb.js";
import { bidiStream } from "../rpc.js";
import { Session } from "../session.js";
import { type Case, type Context, equal, fails, ok } from "./case.js";

/** Milliseconds of a session, so that a silent server is an error. */
const STREAM_TIMEOUT = 20_000;
/** Milliseconds in which a session must have its headers. */
const HEADERS_TIMEOUT = 5000;
/** Milliseconds of the deadline of a session that waits for it. */
const SILENCE = 300;

type Kind = NonNullable<MessageInitShape<typeof CountRequestSchema>["kind"]>;

/** A stream of Count, message by message. */
class Stream {
  readonly call;
  readonly status: Promise<StatusObject>;
  private readonly responses: AsyncIterator<CountResponse>;

  constructor(context: Context, timeout = STREAM_TIMEOUT) {
    this.call = bidiStream(context.parity, NumberService.method.count, { timeout });
    this.status = new Promise((resolve) => this.call.once("status", resolve));
    this.responses = this.call[Symbol.asyncIterator]();
  }

  send(...kinds: Kind[]): void {
    for (const kind of kinds) {
      this.call.write(create(CountRequestSchema, { kind }));
    }
  }

  async receive(): Promise<CountResponse["kind"]> {
    const [kind] = await this.take(1);
    ok(kind !== undefined, "the server ended the session");
    return kind;
  }

  /** Returns what comes until the end, at most that many. */
  async take(most = Number.POSITIVE_INFINITY): Promise<CountResponse["kind"][]> {
    const kinds: CountResponse["kind"][] = [];
    try {
      while (kinds.length < most) {
        const { value, done } = await this.responses.next();
        if (done) {
          break;
        }
        kinds.push(value.kind);
      }
    } catch (error) {
      throw fromServiceError(error);
    }
    return kinds;
  }

  async register(clientId: number) {
    this.send({ case: "registration", value: { clientId } });
    const kind = await this.receive();
    ok(kind.case === "registered", `the first response is ${kind.case}, want registered`);
    return kind.value;
  }

  /** Half-closes the stream, and returns the rest of the responses. */
  async close(): Promise<CountResponse["kind"][]> {
    this.call.end();
    const rest = await this.take();
    equal((await this.status).code, status.OK, "status");
    return rest;
  }
}

function parityRight(drawn: { number: number; parity: Parity }, want: Parity): void {
  equal(drawn.parity, want, "parity");
  const { number } = drawn;
  const right = number >= 0 && number <= 99 && number % 2 === (want === Parity.EVEN ? 0 : 1);
  ok(right, `drew ${number}, want parity ${Parity[want]} in 0 to 99`);
}

async function draws({ parity }: Context, want: Parity): Promise<void> {
  for (let i = 0; i < 20; i++) {
    parityRight(await parity.draw(want), want);
  }
}

/** Runs a session of three reports and two draws, and returns the last increment. */
async function count(context: Context, clientId: number): Promise<number> {
  const stream = new Stream(context);
  await stream.register(clientId);
  for (const value of ["1", "2", "3"]) {
    stream.send({ case: "report", value: { value } });
  }
  stream.send({ case: "draw", value: { parity: Parity.ODD } });
  stream.send({ case: "draw", value: { parity: Parity.EVEN } });
  const increments: Increment[] = [];
  let committed: unknown;
  for (const kind of await stream.close()) {
    if (kind.case === "increment") {
      increments.push(kind.value);
    } else if (kind.case === "committed") {
      committed = [kind.value.reports, kind.value.value];
    }
  }
  const [odd, even] = increments;
  ok(odd !== undefined && even !== undefined, `${increments.length} increments, want 2`);
  parityRight(odd, Parity.ODD);
  parityRight(even, Parity.EVEN);
  equal(committed, ["3", "3"], "the last confirmation");
  return even.number;
}

async function countResume(context: Context): Promise<void> {
  const clientId = context.idBase + 2;
  const last = await count(context, clientId);
  const stream = new Stream(context);
  const { value, returning, increment } = await stream.register(clientId);
  await stream.close();
  equal(
    { value, returning, increment },
    { value: "3", returning: true, increment: last },
    "record",
  );
}

async function countBadFirstMessage(context: Context): Promise<void> {
  const stream = new Stream(context);
  stream.send({ case: "report", value: { value: "1" } });
  await fails(stream.take(), status.FAILED_PRECONDITION, "NOT_REGISTERED");
}

async function countHeadersFirst(context: Context): Promise<void> {
  const stream = new Stream(context);
  await once(stream.call, "metadata", { signal: AbortSignal.timeout(HEADERS_TIMEOUT) });
  await stream.register(context.idBase + 3);
  await stream.close();
}

async function countInt64Extremes({ parity, idBase }: Context): Promise<void> {
  const clientId = idBase + 4;
  const values = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
  for (const value of values) {
    const reporting = await Session.open(parity, clientId);
    await reporting.report(value);
    equal((await reporting.close()).value, String(value), "confirmed value");
    const again = await Session.open(parity, clientId);
    equal(again.registered.value, String(value), "value of the next session");
    await again.close();
  }
  for await (const client of parity.clients(100)) {
    if (client.clientId === clientId) {
      equal(client.lastValue, String(values.at(-1)), "value in ListClients");
      return;
    }
  }
  throw new Error("ListClients does not have the client");
}

async function deadline(context: Context): Promise<void> {
  await context.parity.draw(); // connects: the deadline is not for that
  const stream = new Stream(context, SILENCE);
  await stream.register(context.idBase + 5);
  await fails(stream.take(), status.DEADLINE_EXCEEDED, "");
}

export const cases: Record<string, Case> = {
  draw_even: (context) => draws(context, Parity.EVEN),
  draw_odd: (context) => draws(context, Parity.ODD),
  count_session: async (context) => {
    await count(context, context.idBase + 1);
  },
  count_resume: countResume,
  count_bad_first_message: countBadFirstMessage,
  count_headers_first: countHeadersFirst,
  count_int64_extremes: countInt64Extremes,
  deadline,
};
