// Client of a Parity server.

export { CALL_TIMEOUT, Client, type ClientOptions, type ListOptions } from "./client.js";
export { type CountOptions, count } from "./counter.js";
export { copy, type Download, type DownloadOptions, download } from "./download.js";
export { ChecksumError, ParityError, type Violation } from "./errors.js";
export { type File, Source } from "./gen/parity/files/v1/files_pb.js";
export { Parity } from "./gen/parity/numbers/v1/numbers_pb.js";
export { below, ExistsError } from "./place.js";
export { LostError, Session } from "./session.js";
