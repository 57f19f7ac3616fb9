// Compares two libraries for gRPC: downloads of a cached file of 32 MiB with grpc-js, which
// the client uses, and with connect-node, each with and without a larger flow-control window.
//
//	node transports.mjs HOST:PORT NAME [ROUNDS]
//
// The rounds alternate, so that what else the machine does affects all.

import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { crc32c } from "@node-rs/crc32";
import { Client } from "../dist/src/client.js";
import { FileService } from "../dist/src/gen/parity/files/v1/files_pb.js";
import { serverStream } from "../dist/src/rpc.js";

const [addr, name, rounds = "5"] = process.argv.slice(2);
const ROUND_TIME = 2000; // milliseconds
const WINDOW = 4 << 20; // bytes
const NODE_WINDOW = 65535; // bytes, the default of Node

function grpcJs(window) {
  const client = new Client(addr, { channel: { "grpc-node.flow_control_window": window } });
  const get = () => serverStream(client, FileService.method.get, { name });
  return { get, close: () => client.close() };
}

function connectNode(window) {
  // The options of a session have the window of a stream, but not that of the connection.
  class Manager extends Http2SessionManager {
    async request(...args) {
      const stream = await super.request(...args);
      if (!this.session) {
        this.session = stream.session;
        this.session.setLocalWindowSize(window);
      }
      return stream;
    }
  }
  const baseUrl = `http://${addr}`;
  const sessionManager = new Manager(baseUrl, {}, { settings: { initialWindowSize: window } });
  const client = createClient(FileService, createGrpcTransport({ baseUrl, sessionManager }));
  return { get: () => client.get({ name }), close: () => sessionManager.abort() };
}

async function fetchOnce(get) {
  let [crc, size, want] = [0, 0];
  for await (const response of get()) {
    crc = crc32c(response.data, crc);
    size += response.data.length;
    want = response.crc32c;
  }
  if (crc !== want) {
    throw new Error("wrong checksum");
  }
  return size;
}

const ways = {
  "grpc-js": grpcJs(NODE_WINDOW),
  "grpc-js, 4 MiB window": grpcJs(WINDOW),
  "connect-node": connectNode(NODE_WINDOW),
  "connect-node, 4 MiB window": connectNode(WINDOW),
};
const results = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
for (let round = 0; round < Number(rounds); round++) {
  for (const [way, { get }] of Object.entries(ways)) {
    await fetchOnce(get); // warm-up
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    let size = 0;
    while (performance.now() - start < ROUND_TIME) {
      size += await fetchOnce(get);
    }
    const { user, system } = process.cpuUsage(cpu);
    results[way].push([size / 1e3 / (performance.now() - start), size / (user + system)]);
  }
}
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
console.log("MB/s: median, best; MB for each second of the client's processor time: median");
for (const [way, rows] of Object.entries(results)) {
  const [wall, cpu] = [rows.map((row) => row[0]), rows.map((row) => row[1])];
  const cells = [median(wall), Math.max(...wall), median(cpu)].map((n) => String(Math.round(n)));
  console.log(way.padEnd(28), ...cells.map((cell) => cell.padStart(6)));
}
for (const { close } of Object.values(ways)) {
  close();
}
