// A server in this process, whose answers a test chooses.

import { create, type DescService, type MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { crc32c } from "@node-rs/crc32";
import { Client } from "../client.js";
import {
  type File,
  FileSchema,
  FileService,
  type GetRequest,
  type GetResponse,
  GetResponseSchema,
  ListResponseSchema,
  StatResponseSchema,
} from "../gen/parity/files/v1/files_pb.js";
import {
  type CountRequest,
  CountResponseSchema,
  DrawResponseSchema,
  NumberService,
  Parity,
} from "../gen/parity/numbers/v1/numbers_pb.js";
import { decoder, encoder } from "../rpc.js";

export const CONTENT = Buffer.from("content of a file");

/** Answers a Get, or throws the status that it ends in. */
export type Get = (request: GetRequest) => GetResponse[];
/** Answers one request of a session; undefined is its end. An empty answer ends it. */
export type Count = (
  request: CountRequest | undefined,
) => MessageInitShape<typeof CountResponseSchema>["kind"] | "end" | undefined;

export function file(version = "v1"): File {
  return create(FileSchema, { name: "file", sizeBytes: String(CONTENT.length), version });
}

/** Answers as the server does. */
export function healthy({ offset, limit }: GetRequest): GetResponse[] {
  const from = Number(offset);
  const data = CONTENT.subarray(from, limit === "0" ? undefined : from + Number(limit));
  return [
    create(GetResponseSchema, { file: file(), data }),
    create(GetResponseSchema, { crc32c: crc32c(data), fileCrc32c: crc32c(CONTENT) }),
  ];
}

/** Sends data with the checksum of other data. */
export function damaged(request: GetRequest): GetResponse[] {
  return healthy(request).map((response) =>
    response.crc32c === undefined ? response : { ...response, crc32c: (response.crc32c ^ 1) >>> 0 },
  );
}

/** Answers one session: a registration, and a confirmation of all reports at the end. */
export function confirming(): Count {
  let reports = 0;
  let last = "0";
  return (request) => {
    switch (request?.kind.case) {
      case "registration":
        return { case: "registered", value: { increment: 1 } };
      case "report":
        reports++;
        last = request.kind.value.value;
        return undefined;
      case undefined:
        return { case: "committed", value: { reports: String(reports), value: last } };
      default:
        return undefined;
    }
  };
}

/** The server and a client of it. */
export class Fake {
  get: Get = healthy;
  count: Count = confirming();
  stat: () => File = file;
  readonly requests: GetRequest[] = [];
  /** The header authorization of every call. */
  readonly authorization: string[] = [];
  addr = "";
  client!: Client;
  private readonly server = new grpc.Server();

  static async start(token?: string): Promise<Fake> {
    const fake = new Fake();
    fake.server.addService(definition(NumberService), {
      draw: fake.unary(() => create(DrawResponseSchema, { number: 2, parity: Parity.EVEN })),
      count: fake.serveCount,
      listClients: fake.unary(() => undefined),
    });
    fake.server.addService(definition(FileService), {
      get: fake.serveGet,
      list: fake.unary(() => create(ListResponseSchema, { files: [fake.stat()] })),
      stat: fake.unary(() => create(StatResponseSchema, { file: fake.stat() })),
    });
    const port = await new Promise<number>((resolve, reject) => {
      const insecure = grpc.ServerCredentials.createInsecure();
      fake.server.bindAsync("127.0.0.1:0", insecure, (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    fake.addr = `127.0.0.1:${port}`;
    fake.client = new Client(fake.addr, { token });
    return fake;
  }

  stop(): void {
    this.client.close();
    this.server.forceShutdown();
  }

  private note(call: { metadata: grpc.Metadata }): void {
    this.authorization.push(call.metadata.get("authorization").join());
  }

  private unary(answer: () => unknown): grpc.handleUnaryCall<unknown, unknown> {
    return (call, callback) => {
      this.note(call);
      callback(null, answer());
    };
  }

  private readonly serveGet: grpc.handleServerStreamingCall<GetRequest, GetResponse> = (call) => {
    this.note(call);
    this.requests.push(call.request);
    try {
      for (const response of this.get(call.request)) {
        call.write(response);
      }
      call.end();
    } catch (error) {
      call.emit("error", error);
    }
  };

  private readonly serveCount: grpc.handleBidiStreamingCall<CountRequest, unknown> = (call) => {
    this.note(call);
    const answer = (request: CountRequest | undefined) => {
      const kind = this.count(request);
      if (kind !== undefined && kind !== "end") {
        call.write(create(CountResponseSchema, { kind }));
      }
      if (kind === "end" || request === undefined) {
        call.end();
      }
    };
    call.on("data", answer);
    call.on("end", () => answer(undefined));
  };
}

/** Returns what grpc-js needs to serve a service. */
function definition(service: DescService): grpc.ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind.startsWith("bidi"),
        responseStream: method.methodKind !== "unary",
        requestSerialize: encoder(method.input),
        requestDeserialize: decoder(method.input),
        responseSerialize: encoder(method.output),
        responseDeserialize: decoder(method.output),
      },
    ]),
  );
}
