/** The one place that talks to the server. */

import type { Fetch } from "../platform";
import { parseProblem } from "./guards";
import type { Problem } from "./types";

/** The server could not be asked, or could not answer. Says nothing about who is logged in. */
export interface Trouble {
  readonly kind: "trouble";
  readonly sentence: string;
  /** `null`: there was no answer, or none that could be read. */
  readonly status: number | null;
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | null;
}

/** What the page shows is not so any more: somebody else was there first. */
export function isStale({ status }: Trouble): boolean {
  return status === 404 || status === 409 || status === 412;
}

export type Failure = { readonly kind: "unauthorized" } | { readonly kind: "aborted" } | Trouble;

export type Result<Value> =
  | { readonly ok: true; readonly value: Value; readonly etag: string | null }
  | { readonly ok: false; readonly failure: Failure };

export interface Request<Value> {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: object;
  /** The ETag of what the change was made from: the server refuses (412) to change anything else. */
  readonly ifMatch?: string | null;
  /** What is sent twice under one key is done once. */
  readonly idempotencyKey?: string;
  readonly parse: (json: unknown) => Value | null;
}

/** Never rejects. `onUnauthorized` hears of every 401, before the caller does. */
export type Send = <Value>(request: Request<Value>, signal: AbortSignal) => Promise<Result<Value>>;

const PATIENCE_MILLISECONDS = 15_000;

export function createClient(fetch: Fetch, onUnauthorized: () => void): Send {
  return async (request, signal) => {
    const result = await exchange(fetch, request, signal);
    if (signal.aborted) return failed({ kind: "aborted" });
    if (!result.ok && result.failure.kind === "unauthorized") onUnauthorized();
    return result;
  };
}

async function exchange<Value>(fetch: Fetch, request: Request<Value>, signal: AbortSignal): Promise<Result<Value>> {
  try {
    const response = await fetch(request.path, requestInit(request, signal));
    const json = await readJson(response);
    return response.ok ? understood(request.parse(json), response) : failed(refusal(response, json));
  } catch {
    // Offline, timeout, connection cut, a redirect: fetch does not tell them apart, and the remedy is the same.
    return failed(trouble("The server cannot be reached."));
  }
}

function requestInit(request: Request<unknown>, signal: AbortSignal): RequestInit {
  return {
    method: request.method,
    headers: headersOf(request),
    ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MILLISECONDS)]),
  };
}

function headersOf({ method, body, ifMatch, idempotencyKey }: Request<unknown>): Record<string, string> {
  return {
    Accept: "application/json",
    // Another site cannot send this header without asking first (CORS): it shows that the write is ours.
    ...(method !== "GET" && { "X-CSRF": "1" }),
    ...(body !== undefined && { "Content-Type": "application/json" }),
    ...(ifMatch && { "If-Match": ifMatch }),
    ...(idempotencyKey !== undefined && { "Idempotency-Key": idempotencyKey }),
  };
}

/** `null` for what is not JSON: the page of a proxy in between, say. */
async function readJson(response: Response): Promise<unknown> {
  const body = await response.text();
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return null;
  }
}

function understood<Value>(value: Value | null, response: Response): Result<Value> {
  if (value === null) return failed(trouble("The server sent an answer that this page does not understand."));
  return { ok: true, value, etag: response.headers.get("ETag") };
}

function refusal(response: Response, json: unknown): Failure {
  if (response.status === 401) return { kind: "unauthorized" };
  const problem = parseProblem(json);
  return {
    kind: "trouble",
    sentence: sentenceFor(response.status, problem),
    status: response.status,
    requestId: problem.request_id,
    retryAfterSeconds: retryAfter(response),
  };
}

function sentenceFor(status: number, { detail, title }: Problem): string {
  if (status === 429) return "Too many requests came from here.";
  if (status >= 502) return "The service is not available right now.";
  if (status >= 500) return "Something went wrong on the server.";
  return detail ?? `The server refused: ${title ?? `status ${status}`}.`;
}

/** RFC 9110 also allows a date; the agent sends seconds. */
function retryAfter(response: Response): number | null {
  const value = response.headers.get("Retry-After") ?? "";
  return /^\d{1,6}$/.test(value) ? Number(value) : null;
}

function trouble(sentence: string): Trouble {
  return { kind: "trouble", sentence, status: null, requestId: null, retryAfterSeconds: null };
}

function failed(failure: Failure): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure };
}
