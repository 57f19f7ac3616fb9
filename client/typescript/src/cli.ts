#!/usr/bin/env node
// The command line.

import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { stderr, stdout } from "node:process";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { Client } from "./client.js";
import { count } from "./counter.js";
import { copy, download } from "./download.js";
import { ParityError } from "./errors.js";
import { type File, Source } from "./gen/parity/files/v1/files_pb.js";
import { Parity } from "./gen/parity/numbers/v1/numbers_pb.js";
import { below } from "./place.js";
import { Line } from "./progress.js";
import { printable } from "./terminal.js";

const FAILED = 1;
const USAGE = 2;
const NOT_FOUND = 3;
const INTERRUPTED = 130;

interface Globals {
  addr: string;
  tls?: boolean;
  tlsCa?: string;
  tokenFile?: string;
  json?: boolean;
}

const interrupt = new AbortController();
const program = new Command("parity")
  .description("Client of a Parity server.")
  .version("1.0.0")
  .option("--addr <host:port>", "the server", "localhost:50051")
  .option("--tls", "use TLS and the authorities of Node")
  .option("--tls-ca <file>", "use TLS and these authorities (PEM)")
  .option("--token-file <file>", "a token, else $PARITY_TOKEN")
  .option("--json", "print JSON, one object a line")
  .exitOverride();

program
  .command("draw")
  .description("draw one number")
  .addArgument(new Argument("[parity]").choices(["even", "odd"]))
  .action((parity: string | undefined) =>
    connected(async (client) => {
      const kinds = { even: Parity.EVEN, odd: Parity.ODD };
      const drawn = await client.draw(kinds[parity as keyof typeof kinds]);
      const name = drawn.parity === Parity.EVEN ? "even" : "odd";
      print({ number: drawn.number, parity: name }, String(drawn.number));
    }),
  );

program
  .command("count")
  .description("count until Ctrl-C")
  .requiredOption("--id <n>", "client ID, 0 to 10000", number)
  .option("--for <seconds>", "then stop", number)
  .action((options: { id: number; for?: number }) =>
    connected(async (client) => {
      if (options.for !== undefined) {
        setTimeout(() => interrupt.abort(), options.for * 1000).unref();
      }
      const last = await count(client, options.id, {
        signal: interrupt.signal,
        counted: (value, increment) =>
          print({ value: String(value), increment }, `${value} (+${increment})`),
        notice: note,
      });
      stderr.write(`${last.reports} reports confirmed, the last ${last.value}\n`);
    }),
  );

program
  .command("list")
  .description("list the files in the cache")
  .argument("[prefix]", "only names that begin with it", "")
  .option("--all", "all files; * marks cached ones")
  .action((prefix: string, { all }: { all?: boolean }) =>
    connected(async (client) => {
      const source = all ? Source.DIRECTORY : Source.CACHE;
      for await (const page of client.pages({ source, prefix })) {
        for (const file of page.files) {
          const mark = all ? (file.cached ? "* " : "  ") : "";
          print(record(file), `${bytes(file.sizeBytes).padStart(14)} ${mark}${file.name}`);
        }
        if (page.nextPageToken === "" && !globals().json) {
          const [used, capacity] = [page.cacheUsedBytes, page.cacheCapacityBytes];
          stderr.write(`cache: ${bytes(used)} of ${bytes(capacity)} bytes\n`);
        }
      }
    }),
  );

program
  .command("stat")
  .description("describe one file")
  .argument("<name>")
  .action((name: string) =>
    connected(async (client) => {
      const entries = Object.entries(record(await client.stat(name)));
      if (globals().json) {
        print(Object.fromEntries(entries), "");
        return;
      }
      for (const [key, value] of entries) {
        stdout.write(`${`${key}:`.padEnd(12)}${printable(String(value))}\n`);
      }
    }),
  );

program
  .command("get")
  .description("download files")
  .argument("<names...>")
  .option("-o, --output <file>", "of one file; - is standard output")
  .addOption(
    new Option("-d, --dir <dir>", "with the names' folders below").default(".").conflicts("output"),
  )
  .option("--force", "replace existing files")
  .action((names: string[], options: { output?: string; dir: string; force?: boolean }) =>
    connected(async (client) => {
      if (options.output !== undefined && names.length > 1) {
        fail("--output takes one name; use --dir", USAGE);
        return;
      }
      for (const name of names) {
        try {
          await get(client, name, options);
        } catch (error) {
          if (interrupt.signal.aborted) {
            fail(`${printable(name)}: interrupted; run it again to resume`, INTERRUPTED);
            return;
          }
          report(error, `${printable(name)}: `); // a failure does not stop the others
        }
      }
    }),
  );

async function get(
  client: Client,
  name: string,
  { output, dir, force }: { output?: string; dir: string; force?: boolean },
): Promise<void> {
  const options = { force: force ?? false, notice: note, signal: interrupt.signal };
  if (output === "-") {
    await copy(client, name, stdout, options);
    return;
  }
  const to = output ?? (await below(dir, name));
  if (output === undefined) {
    await mkdir(path.dirname(to), { recursive: true });
  }
  const start = performance.now();
  const line = stderr.isTTY ? new Line(stderr, name) : undefined;
  try {
    const done = await download(client, name, to, { ...options, progress: line?.update });
    line?.clear();
    const result = {
      name,
      path: to,
      bytes: done.size,
      resumed: done.resumed,
      version: done.version,
      verified: done.whole ? "file" : "ranges",
      seconds: Math.round(performance.now() - start) / 1000,
    };
    print(result, `${to}: ${bytes(done.size)} bytes, checksum right`);
  } finally {
    line?.clear();
  }
}

function globals(): Globals {
  return program.opts<Globals>();
}

async function connected(run: (client: Client) => Promise<void>): Promise<void> {
  const { addr, tls = false, tlsCa, tokenFile } = globals();
  const token = tokenFile ? readFileSync(tokenFile, "utf8").trim() : process.env.PARITY_TOKEN;
  const client = new Client(addr, { tls, tlsCa, token });
  try {
    await run(client);
  } finally {
    client.close();
  }
}

function record(file: File) {
  return {
    name: file.name,
    size_bytes: file.sizeBytes,
    modified: file.modified ? timestampDate(file.modified).toISOString() : "",
    version: file.version,
    cached: file.cached,
  };
}

function bytes(n: number | string): string {
  return BigInt(n).toLocaleString("en");
}

function number(text: string): number {
  const n = Number(text);
  if (text.trim() === "" || !Number.isFinite(n) || n < 0) {
    throw new InvalidArgumentError("It is no number.");
  }
  return n;
}

function print(record: object, line: string): void {
  stdout.write(`${globals().json ? JSON.stringify(record) : printable(line)}\n`);
}

function note(line: string): void {
  stderr.write(`parity: ${printable(line)}\n`);
}

function fail(text: string, exitStatus: number): void {
  stderr.write(`parity: ${text}\n`);
  process.exitCode = Math.max(Number(process.exitCode ?? 0), exitStatus);
}

/** Prints an error as one line that is safe for a terminal. */
function report(error: unknown, prefix = ""): void {
  let text = error instanceof Error ? error.message : String(error);
  let exitStatus = FAILED;
  if (error instanceof ParityError && error.unreachable) {
    text = `cannot reach ${globals().addr}: ${text}; is the server running?`;
  } else if (error instanceof ParityError && error.reason === "FILE_NOT_FOUND") {
    exitStatus = NOT_FOUND;
  }
  fail(`${prefix}${printable(text)}`, exitStatus);
}

/** Milliseconds after which another Ctrl-C ends at once. Some programs send one twice. */
const SECOND_INTERRUPT = 1000;
let interrupted = 0;
process.on("SIGINT", () => {
  if (!interrupt.signal.aborted) {
    interrupted = performance.now();
    interrupt.abort();
  } else if (performance.now() - interrupted > SECOND_INTERRUPT) {
    process.exit(INTERRUPTED);
  }
});
stdout.on("error", () => process.exit(FAILED)); // nobody reads

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USAGE; // it has said why
  } else {
    report(error);
  }
}
