// Makes untrusted text, such as file names and messages of servers, safe to print.

/** What does not show as a mark of its own: controls, formats, surrogates, separators. */
const hidden = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Returns text with that escaped. On a terminal a control character is a command. */
export function printable(text: string): string {
  return text.replace(hidden, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
}
