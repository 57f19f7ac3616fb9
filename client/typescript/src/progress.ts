// The progress of a download on a terminal.

import { printable } from "./terminal.js";

/** Milliseconds between two updates. */
const INTERVAL = 100;

/** One line that is written over. */
export class Line {
  private next = 0;

  constructor(
    private readonly out: { write(text: string): unknown },
    private readonly name: string,
  ) {}

  readonly update = (done: number, size: number): void => {
    if (performance.now() < this.next) {
      return;
    }
    this.next = performance.now() + INTERVAL;
    const percent = size > 0 ? Math.floor((100 * done) / size) : 100;
    const total = size.toLocaleString("en");
    this.out.write(`\r\x1b[K${printable(this.name)}: ${percent} % of ${total} bytes`);
  };

  clear(): void {
    this.out.write("\r\x1b[K");
  }
}
