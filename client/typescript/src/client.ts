// The calls of a Parity server.

import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { MessageShape } from "@bufbuild/protobuf";
import { type ChannelOptions, credentials, Client as GrpcClient, Metadata } from "@grpc/grpc-js";
import {
  type File,
  FileService,
  type ListResponse,
  Source,
} from "./gen/parity/files/v1/files_pb.js";
import {
  type Client as Counted,
  type DrawResponseSchema,
  NumberService,
  Parity,
} from "./gen/parity/numbers/v1/numbers_pb.js";
import { type Connection, unary } from "./rpc.js";

/** Milliseconds that the server may take for calls that it answers at once. */
export const CALL_TIMEOUT = 30_000;
/** Files or clients that a page has at most. */
const PAGE_SIZE = 1000;

/**
 * Bytes of the HTTP/2 flow-control windows. The default of Node, 64 KiB, makes downloads
 * several times slower.
 */
const WINDOW = 4 << 20;

const channelOptions: ChannelOptions = {
  "grpc-node.flow_control_window": WINDOW,
  // Milliseconds: notices a connection that was lost silently, and reconnects soon.
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 5000,
};

export interface ClientOptions {
  /** Use TLS, verified by the authorities of Node. */
  readonly tls?: boolean;
  /** Use TLS, verified by the authorities in this file (PEM). */
  readonly tlsCa?: string | undefined;
  /** Sent with every call. Needs TLS or an address on this machine. */
  readonly token?: string | undefined;
  /** Options of grpc-js, in addition to those of this client. */
  readonly channel?: ChannelOptions;
}

export interface ListOptions {
  /** Where to look; the cache, if it is not set. */
  readonly source?: Source;
  /** Only names that begin with it. */
  readonly prefix?: string;
  readonly pageSize?: number;
}

/** A connection to the server at HOST:PORT. Its methods reject with ParityError. */
export class Client implements Connection {
  readonly client: GrpcClient;
  readonly metadata = new Metadata();

  constructor(addr = "localhost:50051", options: ClientOptions = {}) {
    const secure = options.tls || options.tlsCa !== undefined;
    if (options.token) {
      if (!secure && !isLocal(addr)) {
        throw new Error(`a token is sent to ${JSON.stringify(addr)} only over TLS`);
      }
      this.metadata.set("authorization", `Bearer ${options.token}`);
    }
    const roots = options.tlsCa === undefined ? null : readFileSync(options.tlsCa);
    this.client = new GrpcClient(
      addr,
      secure ? credentials.createSsl(roots) : credentials.createInsecure(),
      { ...channelOptions, ...options.channel },
    );
  }

  close(): void {
    this.client.close();
  }

  /** Draws one number. */
  draw(parity = Parity.UNSPECIFIED): Promise<MessageShape<typeof DrawResponseSchema>> {
    return unary(this, NumberService.method.draw, { parity }, { timeout: CALL_TIMEOUT });
  }

  /** Yields the register, in order of client IDs. */
  async *clients(pageSize = PAGE_SIZE): AsyncGenerator<Counted, void, undefined> {
    let pageToken = "";
    do {
      const page = await unary(
        this,
        NumberService.method.listClients,
        { pageSize, pageToken },
        { timeout: CALL_TIMEOUT },
      );
      yield* page.clients;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Yields the pages of a list of files. Each also says how full the cache is. */
  async *pages(options: ListOptions = {}): AsyncGenerator<ListResponse, void, undefined> {
    const { source = Source.CACHE, prefix = "", pageSize = PAGE_SIZE } = options;
    let pageToken = "";
    do {
      const page = await unary(
        this,
        FileService.method.list,
        { source, prefix, pageSize, pageToken },
        { timeout: CALL_TIMEOUT },
      );
      yield page;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Yields the files in the cache or, with Source.DIRECTORY, all files. */
  async *list(options: ListOptions = {}): AsyncGenerator<File, void, undefined> {
    for await (const page of this.pages(options)) {
      yield* page.files;
    }
  }

  /** Describes one file without reading it. */
  async stat(name: string): Promise<File> {
    const method = FileService.method.stat;
    const { file } = await unary(this, method, { name }, { timeout: CALL_TIMEOUT });
    if (file === undefined) {
      throw new Error("the server described no file");
    }
    return file;
  }
}

function isLocal(addr: string): boolean {
  const host = addr.slice(0, addr.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
