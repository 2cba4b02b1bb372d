/** The one place that talks to the server. */

import type { Fetch } from "../platform";
import { parseProblem } from "./guards";

/** The server could not be asked, or could not answer. Says nothing about who is logged in. */
export interface Trouble {
  readonly kind: "trouble";
  readonly sentence: string;
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | null;
}

export type Failure = { readonly kind: "unauthorized" } | { readonly kind: "aborted" } | Trouble;

export type Result<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: Failure };

export interface Request<Value> {
  readonly method: "GET" | "POST";
  readonly path: string;
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
    const response = await fetch(request.path, requestInit(request.method, signal));
    const json = await readJson(response);
    return response.ok ? understood(request.parse(json)) : failed(refusal(response, json));
  } catch {
    // Offline, timeout, connection cut, a redirect: fetch does not tell them apart, and the remedy is the same.
    return failed(trouble("The server cannot be reached."));
  }
}

function requestInit(method: "GET" | "POST", signal: AbortSignal): RequestInit {
  return {
    method,
    // Another site cannot send this header without asking first (CORS): it shows that the write is ours.
    headers: { Accept: "application/json", ...(method === "POST" && { "X-CSRF": "1" }) },
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MILLISECONDS)]),
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

function understood<Value>(value: Value | null): Result<Value> {
  if (value === null) return failed(trouble("The server sent an answer that this page does not understand."));
  return { ok: true, value };
}

function refusal(response: Response, json: unknown): Failure {
  if (response.status === 401) return { kind: "unauthorized" };
  const problem = parseProblem(json);
  return {
    kind: "trouble",
    sentence: sentenceFor(response.status, problem.title),
    requestId: problem.request_id,
    retryAfterSeconds: retryAfter(response),
  };
}

function sentenceFor(status: number, title: string | null): string {
  if (status === 429) return "Too many requests came from here.";
  if (status >= 502) return "The service is not available right now.";
  if (status >= 500) return "Something went wrong on the server.";
  return `The server refused: ${title ?? `status ${status}`}.`;
}

/** RFC 9110 also allows a date; the agent sends seconds. */
function retryAfter(response: Response): number | null {
  const value = response.headers.get("Retry-After") ?? "";
  return /^\d{1,6}$/.test(value) ? Number(value) : null;
}

function trouble(sentence: string): Trouble {
  return { kind: "trouble", sentence, requestId: null, retryAfterSeconds: null };
}

function failed(failure: Failure): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure };
}
