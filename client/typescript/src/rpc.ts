// Calls of gRPC, typed by the generated descriptors.

import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type Client,
  type ClientDuplexStream,
  type CallOptions as GrpcOptions,
  InterceptingCall,
  type Interceptor,
  type Metadata,
  status,
} from "@grpc/grpc-js";
import { fromServiceError } from "./errors.js";

/** A connection to a server, and what is sent with every call. */
export interface Connection {
  readonly client: Client;
  readonly metadata: Metadata;
}

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds that the call may take. */
  readonly timeout?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Sent with this call instead of the metadata of the connection. */
  readonly metadata?: Metadata;
}

type Method<I extends DescMessage, O extends DescMessage> =
  | DescMethodUnary<I, O>
  | DescMethodServerStreaming<I, O>
  | DescMethodBiDiStreaming<I, O>;

function path(method: Method<DescMessage, DescMessage>): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export function encoder<D extends DescMessage>(desc: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const bytes = toBinary(desc, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

export function decoder<D extends DescMessage>(desc: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(desc, bytes);
}

function deadline({ timeout }: CallOptions): GrpcOptions {
  return timeout === undefined
    ? {}
    : { deadline: Date.now() + timeout, interceptors: [deadlineFirst] };
}

/**
 * Makes DEADLINE_EXCEEDED of a stream that the server resets when its deadline has passed,
 * as other gRPC libraries do. grpc-js reports CANCELLED if the reset is faster than its own
 * timer.
 */
const deadlineFirst: Interceptor = (options, nextCall) => {
  const late = () => Date.now() >= Number(options.deadline);
  let cancelled = false;
  return new InterceptingCall(nextCall(options), {
    start(metadata, _listener, next) {
      next(metadata, {
        onReceiveStatus(received, done) {
          const reset = received.code === status.CANCELLED && !cancelled;
          done(
            reset && late()
              ? { ...received, code: status.DEADLINE_EXCEEDED, details: "deadline exceeded" }
              : received,
          );
        },
      });
    },
    cancel(next) {
      cancelled = true;
      next();
    },
  });
};

/** Cancels a call when the signal says so. Returns a function that ends this. */
function bind(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  const cancel = () => call.cancel();
  if (signal?.aborted) {
    cancel();
  }
  signal?.addEventListener("abort", cancel);
  return () => signal?.removeEventListener("abort", cancel);
}

/** Calls a method with one request and one response. Rejects with ParityError. */
export function unary<I extends DescMessage, O extends DescMessage>(
  to: Connection,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: CallOptions = {},
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    const call = to.client.makeUnaryRequest(
      path(method),
      encoder(method.input),
      decoder(method.output),
      create(method.input, request),
      options.metadata ?? to.metadata,
      deadline(options),
      (error, response) => {
        unbind();
        if (error || response === undefined) {
          reject(fromServiceError(error));
        } else {
          resolve(response);
        }
      },
    );
    const unbind = bind(call, options.signal);
  });
}

/**
 * Calls a method with one request and a stream of responses. Throws ParityError. The call
 * ends when the loop does.
 */
export async function* serverStream<I extends DescMessage, O extends DescMessage>(
  to: Connection,
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
  options: CallOptions = {},
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const call = to.client.makeServerStreamRequest(
    path(method),
    encoder(method.input),
    decoder(method.output),
    create(method.input, request),
    options.metadata ?? to.metadata,
    deadline(options),
  );
  const unbind = bind(call, options.signal);
  try {
    for await (const response of call) {
      yield response as MessageShape<O>;
    }
  } catch (error) {
    throw fromServiceError(error);
  } finally {
    unbind();
    call.cancel(); // without effect if it has ended
  }
}

export type BidiStream<I extends DescMessage, O extends DescMessage> = ClientDuplexStream<
  MessageShape<I>,
  MessageShape<O>
>;

/** Calls a method with streams in both directions. Its errors are those of grpc-js. */
export function bidiStream<I extends DescMessage, O extends DescMessage>(
  to: Connection,
  method: DescMethodBiDiStreaming<I, O>,
  options: CallOptions = {},
): BidiStream<I, O> {
  const call = to.client.makeBidiStreamRequest(
    path(method),
    encoder(method.input),
    decoder(method.output),
    options.metadata ?? to.metadata,
    deadline(options),
  );
  call.once("close", bind(call, options.signal));
  return call;
}
