import { expect, test } from "vitest";
import { createClient, type Request } from "../src/api/client";
import type { Fetch } from "../src/platform";

const ANYTHING = (json: unknown) => ({ json });

async function sent(request: Partial<Request<unknown>>, response = Response.json({})) {
  const seen: RequestInit[] = [];
  const fetch: Fetch = (_, init) => {
    seen.push(init);
    return Promise.resolve(response);
  };
  const send = createClient(fetch, () => {});
  const result = await send({ method: "GET", path: "/x", parse: ANYTHING, ...request }, new AbortController().signal);
  return { result, init: seen[0], headers: new Headers(seen[0]?.headers) };
}

function sentenceOf(result: Awaited<ReturnType<typeof sent>>["result"]): string | null {
  return !result.ok && result.failure.kind === "trouble" ? result.failure.sentence : null;
}

test.each(["POST", "PATCH"] as const)("a %s carries the header that only this site can send", async (method) => {
  const { init, headers } = await sent({ method });

  expect(init?.method).toBe(method);
  expect(headers.get("X-CSRF")).toBe("1");
});

test("a question carries no such header and no body", async () => {
  const { init, headers } = await sent({});

  expect(headers.has("X-CSRF")).toBe(false);
  expect(headers.has("Content-Type")).toBe(false);
  expect(init?.body).toBeUndefined();
});

test("a body goes as JSON", async () => {
  const { init, headers } = await sent({ method: "POST", body: { name: "a" } });

  expect(init?.body).toBe('{"name":"a"}');
  expect(headers.get("Content-Type")).toBe("application/json");
});

test("a change names what it was made from, and what may come twice has a name", async () => {
  const { headers } = await sent({ method: "PATCH", body: {}, ifMatch: '"7"', idempotencyKey: "k-1" });

  expect(headers.get("If-Match")).toBe('"7"');
  expect(headers.get("Idempotency-Key")).toBe("k-1");
});

test("201 with a body is an answer", async () => {
  const { result } = await sent({ method: "POST" }, Response.json({ id: 1 }, { status: 201 }));

  expect(result).toMatchObject({ ok: true, value: { json: { id: 1 } } });
});

test("the ETag comes with the answer", async () => {
  const { result } = await sent({}, Response.json({}, { headers: { ETag: '"3"' } }));

  expect(result).toMatchObject({ ok: true, etag: '"3"' });
});

test("a refusal is told in the server's sentence, in which nothing is hidden", async () => {
  const detail = "Sorry\u202e <b>no</b>\u0007";

  const { result } = await sent({}, Response.json({ title: "Bad", detail }, { status: 409 }));

  expect(sentenceOf(result)).toBe("Sorry\\u{202e} <b>no</b>\\u{7}");
});

test("a refusal as long as a book is cut", async () => {
  const { result } = await sent({}, Response.json({ detail: "no ".repeat(5_000) }, { status: 400 }));

  expect(sentenceOf(result)?.length).toBeLessThan(500);
});

test("a server error shows nothing of what the server says", async () => {
  const { result } = await sent({}, Response.json({ detail: "SELECT secret" }, { status: 500 }));

  expect(sentenceOf(result)).toBe("Something went wrong on the server.");
});
