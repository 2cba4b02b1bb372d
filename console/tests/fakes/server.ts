/** The agent and the apiserver as the console sees them: one session, one user, and switches for what goes wrong. */

import type { Fetch } from "../../src/platform";
import { FakeApi, type Asked } from "./api";

export interface SeenRequest extends Asked {
  readonly signal: AbortSignal | null;
}

const ME = { id: "usr_1", personal_tenant_id: "t-1" };

type Answer = () => Promise<Response>;

export class FakeServer {
  isLoggedIn = true;
  idleSeconds = 1_800;
  absoluteSeconds = 28_800;
  logoutUrl = "/logout/once";
  user: Readonly<Record<string, unknown>> = { sub: "u-1", name: "Alice Doe", email: "alice@example.com" };
  tenants: unknown = [{ id: "t-1", name: "Observatory", kind: "private", role: "owner" }];
  readonly api = new FakeApi();
  readonly seen: SeenRequest[] = [];
  readonly #overrides = new Map<string, Answer>();

  readonly fetch: Fetch = async (path, init) => {
    init.signal?.throwIfAborted();
    const [pathname = ""] = path.split("?", 1);
    const { method = "GET", signal = null } = init;
    const request = { method, path, headers: new Headers(init.headers), body: bodyOf(init), signal };
    this.seen.push(request);
    const override = this.#overrides.get(`${method} ${pathname}`) ?? this.#overrides.get(pathname);
    return override === undefined ? this.#answer(`${method} ${pathname}`, request) : override();
  };

  /** Those that change something. */
  get writes(): readonly SeenRequest[] {
    return this.seen.filter(({ method }) => method !== "GET");
  }

  /** 503 as the agent sends it while its store is away. */
  breakDown(path: string): void {
    this.answerWith(path, () => problem(503, "Service Unavailable", { "Retry-After": "5" }));
  }

  /** Each path may have its method before it. */
  disconnect(path: string): void {
    this.#overrides.set(path, () => Promise.reject(new TypeError("Failed to fetch")));
  }

  /** The answer never comes. */
  hang(path: string): void {
    this.#overrides.set(path, () => new Promise(() => {}));
  }

  answerWith(path: string, answer: () => Response): void {
    this.#overrides.set(path, () => Promise.resolve(answer()));
  }

  repair(): void {
    this.#overrides.clear();
  }

  #answer(request: string, asked: Asked): Response {
    if (request === "GET /session") return json(this.#status());
    if (request === "POST /logout") return this.#logOut();
    if (!this.isLoggedIn) return problem(401, "Unauthorized");
    if (request === "GET /userinfo") return json(this.user);
    if (request === "GET /api/v1/users/me") return json({ ...ME, tenants: this.tenants });
    return this.api.answer(asked) ?? problem(404, "Not Found");
  }

  #status(): unknown {
    if (!this.isLoggedIn) return { logged_in: false, expires_in: null, idle_expires_in: null, logout_url: null };
    const { absoluteSeconds: expires_in, idleSeconds: idle_expires_in } = this;
    return { logged_in: true, expires_in, idle_expires_in, logout_url: "/logout" };
  }

  #logOut(): Response {
    this.isLoggedIn = false;
    return json({ logout_url: this.logoutUrl });
  }
}

function bodyOf({ body }: RequestInit): Asked["body"] {
  return typeof body === "string" ? (JSON.parse(body) as Asked["body"]) : {};
}

export function json(body: unknown): Response {
  return Response.json(body);
}

export function problem(status: number, title: string, headers: Record<string, string> = {}): Response {
  const body = { type: "about:blank", title, status, code: "some_code", request_id: "req-7" };
  return Response.json(body, { status, headers: { "Content-Type": "application/problem+json", ...headers } });
}
