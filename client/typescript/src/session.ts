// One counting session: a stream of Count.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { fromServiceError, ParityError } from "./errors.js";
import {
  type Committed,
  CommittedSchema,
  CountRequestSchema,
  type CountResponse,
  type CountResponseSchema,
  NumberService,
  type Parity,
  type Registered,
} from "./gen/parity/numbers/v1/numbers_pb.js";
import { type BidiStream, bidiStream, type Connection } from "./rpc.js";

/** Milliseconds that the server may take to answer a registration or a draw. */
const ANSWER_TIMEOUT = 10_000;
/** Milliseconds after which a server that reads nothing counts as lost. */
const SEND_TIMEOUT = 10_000;
/** Milliseconds that the server may take to make the last reports durable. */
const CLOSE_TIMEOUT = 5000;

/** The session ended in a way that another one may repair. */
export class LostError extends Error {
  override readonly name = "LostError";
}

type Request = NonNullable<MessageInitShape<typeof CountRequestSchema>["kind"]>;

/** Settles a promise from outside. */
interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** A registered client. One draw at a time. */
export class Session {
  /** What the server knew of the client. */
  registered!: Registered;
  /** Called once, when the stream has ended; without an error if the server ended it. */
  onEnd: (error: Error | undefined) => void = () => {};

  private readonly stream: BidiStream<typeof CountRequestSchema, typeof CountResponseSchema>;
  private reports = 0n;
  private committed: Committed = create(CommittedSchema);
  private waiting: Waiting<CountResponse> | undefined;
  private ended = false;
  private error: Error | undefined;

  private constructor(to: Connection) {
    this.stream = bidiStream(to, NumberService.method.count);
    this.stream.on("data", (response: CountResponse) => this.receive(response));
    this.stream.on("error", (error) => this.end(fromServiceError(error)));
    this.stream.on("end", () => this.end(undefined));
  }

  /** Opens a session. Rejects with ParityError or LostError. */
  static async open(to: Connection, clientId: number, signal?: AbortSignal): Promise<Session> {
    const session = new Session(to);
    const cancel = () => session.cancel();
    signal?.addEventListener("abort", cancel);
    try {
      const { kind } = await session.ask({ case: "registration", value: { clientId } });
      if (kind.case !== "registered") {
        throw new LostError("the server did not answer the registration");
      }
      session.registered = kind.value;
      return session;
    } catch (error) {
      session.cancel();
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Reports a value. Does not wait for an answer. */
  async report(value: bigint): Promise<void> {
    this.reports++;
    await this.send({ case: "report", value: { value: String(value) } });
  }

  /** Draws an increment. */
  async draw(parity: Parity): Promise<number> {
    const { kind } = await this.ask({ case: "draw", value: { parity } });
    if (kind.case !== "increment") {
      throw new LostError("the server did not answer the draw");
    }
    return kind.value.number;
  }

  /** Half-closes the stream, and waits until the server has confirmed every report. */
  async close(): Promise<Committed> {
    let late = false;
    if (!this.ended) {
      const done = new Promise<void>((resolve) => {
        this.onEnd = () => resolve();
      });
      const timer = setTimeout(() => {
        late = true;
        this.cancel();
      }, CLOSE_TIMEOUT);
      this.stream.end();
      await done;
      clearTimeout(timer);
    }
    if (this.committed.reports !== String(this.reports)) {
      let why = this.error?.message ?? "the server ended the session";
      if (late) {
        why = `the server has not ended the session after ${CLOSE_TIMEOUT / 1000} s`;
      }
      throw new LostError(
        `${this.committed.reports} of ${this.reports} reports were confirmed: ${why}`,
      );
    }
    if (this.error) {
      throw this.error;
    }
    return this.committed;
  }

  /** Ends the stream at once. */
  cancel(): void {
    this.stream.cancel();
  }

  /** Sends a request, and returns the answer. */
  private ask(kind: Request): Promise<CountResponse> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting = undefined;
        reject(new LostError(`no answer within ${ANSWER_TIMEOUT / 1000} s`));
      }, ANSWER_TIMEOUT);
      this.waiting = {
        resolve: (response) => {
          clearTimeout(timer);
          resolve(response);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.send(kind).catch((error: Error) => this.waiting?.reject(error));
    });
  }

  /** Writes a request, and waits until the transport has taken it. */
  private send(kind: Request): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(this.error ?? new LostError("the server ended the session"));
        return;
      }
      const timer = setTimeout(() => {
        this.cancel();
        reject(new LostError(`the server took no message for ${SEND_TIMEOUT / 1000} s`));
      }, SEND_TIMEOUT);
      this.stream.write(create(CountRequestSchema, { kind }), () => {
        clearTimeout(timer);
        resolve(); // an error ends the stream, which says why
      });
    });
  }

  private receive(response: CountResponse): void {
    if (response.kind.case === "committed") {
      this.committed = response.kind.value;
      return;
    }
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.resolve(response); // nobody asked, if nobody waits
  }

  private end(error: Error | undefined): void {
    if (this.ended) {
      return;
    }
    this.ended = true;
    this.error = error;
    this.waiting?.reject(error ?? new LostError("the server ended the session"));
    this.waiting = undefined;
    this.onEnd(error);
  }
}

const refusals = new Set([
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
  status.UNIMPLEMENTED,
]);

/** Whether another session cannot help. */
export function refused(error: unknown): boolean {
  return error instanceof ParityError ? refusals.has(error.code) : !(error instanceof LostError);
}
