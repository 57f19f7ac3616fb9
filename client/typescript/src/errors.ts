// Errors of the server and of the connection to it, with their reason.

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
  type Status,
  StatusSchema,
} from "./gen/google/rpc/details_pb.js";

/** A field of a request that the server does not accept, and why. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

interface Details {
  readonly reason?: string;
  readonly domain?: string;
  readonly violations?: readonly Violation[];
  readonly retryAfter?: number | undefined;
}

/** A call failed. The message is one sentence with the reason in parentheses. */
export class ParityError extends Error {
  override readonly name = "ParityError";
  /** The reason of the server's ErrorInfo; empty if something else ended the call. */
  readonly reason: string;
  /** The domain of the server's ErrorInfo. */
  readonly domain: string;
  readonly violations: readonly Violation[];
  /** The milliseconds after which the server asks for a retry, if it does. */
  readonly retryAfter: number | undefined;

  constructor(
    readonly code: status,
    /** The message of the server. */
    readonly text: string,
    details: Details = {},
  ) {
    super(`${text} (${details.reason || status[code]})`);
    this.reason = details.reason ?? "";
    this.domain = details.domain ?? "";
    this.violations = details.violations ?? [];
    this.retryAfter = details.retryAfter;
  }

  /** Whether there was no server to give a reason. */
  get unreachable(): boolean {
    return this.code === status.UNAVAILABLE && this.reason === "";
  }
}

/** Data arrived damaged or incomplete. It was not kept. */
export class ChecksumError extends Error {
  override readonly name = "ChecksumError";
}

/** Returns an error of grpc-js as a ParityError, and any other as it is. */
export function fromServiceError(error: unknown): Error {
  if (!isServiceError(error)) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const details = statusOf(error);
  const info = detail(details, ErrorInfoSchema);
  if (info === undefined) {
    return new ParityError(error.code, libraryText(error.details));
  }
  const retry = detail(details, RetryInfoSchema)?.retryDelay;
  return new ParityError(error.code, error.details, {
    reason: info.reason,
    domain: info.domain,
    violations: detail(details, BadRequestSchema)?.fieldViolations ?? [],
    retryAfter: retry && durationMs(retry),
  });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "metadata" in error && error.metadata instanceof Metadata;
}

/** Returns what happened, which stands last in the texts of grpc-js, for people. */
function libraryText(text: string): string {
  const last = text.split("Last error: ").at(-1) ?? text;
  if (last.includes("ECONNREFUSED")) {
    return "connection refused";
  }
  return last.slice(0, 1).toLowerCase() + last.slice(1);
}

function statusOf(error: ServiceError): Status | undefined {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (!(bytes instanceof Uint8Array)) {
    return undefined;
  }
  try {
    return fromBinary(StatusSchema, bytes);
  } catch {
    return undefined; // not what it should be; the status remains
  }
}

/** Returns the detail of that type, if the status has one. */
function detail<D extends DescMessage>(from: Status | undefined, desc: D) {
  for (const any of from?.details ?? []) {
    const message: MessageShape<D> | undefined = anyUnpack(any, desc);
    if (message !== undefined) {
      return message;
    }
  }
  return undefined;
}
