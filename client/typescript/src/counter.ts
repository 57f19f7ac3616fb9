// The counting client. It counts up by an increment twice a second, reports each value to
// the server, and draws a new increment every few seconds. It reconnects when the
// connection is lost.

import { setTimeout as sleep } from "node:timers/promises";
import { delay } from "./backoff.js";
import { type Committed, Parity } from "./gen/parity/numbers/v1/numbers_pb.js";
import type { Connection } from "./rpc.js";
import { LostError, refused, Session } from "./session.js";

/** Milliseconds. The tests shorten them. */
export const intervals = {
  /** From one value to the next. */
  report: 500,
  /** From an increment to the next draw, at random between these. */
  draw: [3000, 5000] as [number, number],
};

export interface CountOptions {
  /** Receives each value that was reported, and its increment. */
  readonly counted?: (value: bigint, increment: number) => void;
  /** Receives one line when the connection is lost and when it is back. */
  readonly notice?: (line: string) => void;
  /** Stops the counter. */
  readonly signal: AbortSignal;
}

/**
 * Counts for a client ID until the signal is aborted, and returns the server's last
 * confirmation. When the connection is lost, it reconnects, however long that takes, and
 * continues from the server's value.
 *
 * Rejects with ParityError if it cannot connect at first or the server refuses, and with
 * LostError if the last reports are not confirmed.
 */
export async function count(
  to: Connection,
  clientId: number,
  options: CountOptions,
): Promise<Committed> {
  let session = await Session.open(to, clientId, options.signal);
  for (;;) {
    try {
      await countOver(session, options);
      return await session.close();
    } catch (error) {
      session.cancel();
      session = await reopen(to, clientId, error, options);
    }
  }
}

/** Counts over one session, until the signal is aborted. */
function countOver(session: Session, options: CountOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let value = BigInt(session.registered.value);
    let { increment } = session.registered;
    let drawing: NodeJS.Timeout;

    const stop = (error?: unknown) => {
      clearInterval(reporting);
      clearTimeout(drawing);
      options.signal.removeEventListener("abort", stopped);
      session.onEnd = () => {};
      if (error === undefined) {
        resolve();
      } else {
        reject(error);
      }
    };
    const stopped = () => stop();
    const report = () => {
      value = BigInt.asIntN(64, value + BigInt(increment));
      session.report(value).catch(stop);
      options.counted?.(value, increment);
    };
    const draw = async () => {
      const parity = Math.random() < 0.5 ? Parity.EVEN : Parity.ODD;
      increment = await session.draw(parity);
      drawLater();
    };
    const drawLater = () => {
      const [least, most] = intervals.draw;
      drawing = setTimeout(() => draw().catch(stop), least + Math.random() * (most - least));
    };

    const reporting = setInterval(report, intervals.report);
    drawLater();
    session.onEnd = (error) => stop(error ?? new LostError("the server ended the session"));
    options.signal.addEventListener("abort", stopped);
    if (options.signal.aborted) {
      stop();
    }
  });
}

/** Reconnects after an error, until that succeeds, the signal is aborted or it is refused. */
async function reopen(
  to: Connection,
  clientId: number,
  first: unknown,
  { signal, notice }: CountOptions,
): Promise<Session> {
  let error = first;
  for (let failures = 0; ; failures++) {
    if (signal.aborted || refused(error)) {
      throw error;
    }
    const wait = delay(failures);
    const text = error instanceof Error ? error.message : String(error);
    notice?.(`not connected: ${text}; trying again in ${(wait / 1000).toFixed(1)} s`);
    await sleep(wait, undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      throw error;
    }
    try {
      const session = await Session.open(to, clientId, signal);
      notice?.(`connected again, going on from ${session.registered.value}`);
      return session;
    } catch (again) {
      error = again;
    }
  }
}
